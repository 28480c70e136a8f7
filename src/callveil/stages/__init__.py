"""The steps of a call, pure: data in, data out; no engine, network or clock."""
