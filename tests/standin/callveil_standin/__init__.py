"""Test-only engines, and what drives the service with them."""
