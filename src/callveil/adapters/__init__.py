"""Adapters to the world: files, object stores, model sources."""
