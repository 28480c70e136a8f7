"""Revisions, oldest first. They are never changed once released."""
