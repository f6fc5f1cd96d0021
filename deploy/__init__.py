"""What starts the platform: the Envoy configuration and the local stack."""
