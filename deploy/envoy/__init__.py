"""The edge: one template of Envoy's configuration (`render.py`), filled for the local stack and for production."""
