"""The registry as a service: pages for people, REST for programs, metrics for Prometheus. Read-only unless it was given tokens."""
