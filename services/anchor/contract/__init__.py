"""The registry contract: its source (Vyper), its built artifact, and the tools that build and deploy it.

README.md beside this file holds the decisions. Nothing here knows about anchors, batches or the database.
"""
