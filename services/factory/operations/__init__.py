"""What Factory does, by topic. Writes take the transaction of `idempotency.Writes`; reads open their own connection."""
