"""The jobs: record_call is the main one."""
