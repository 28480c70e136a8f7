"""Telephony wire formats as state machines without sockets or clocks; TELEPHONY.md describes them."""
