"""Admin: the people who operate the platform, and how they sign in."""
