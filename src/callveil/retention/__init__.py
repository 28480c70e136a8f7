"""Retention, pure: which policies fit a call, and what becomes of it now."""
