"""What Anchor does: the RPCs' use cases, and the writer's steps."""
