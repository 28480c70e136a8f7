"""What the outside world talks to: the API and the telephony servers."""
