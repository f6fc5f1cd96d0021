"""All of Anchor's SQL, by what it is about."""
