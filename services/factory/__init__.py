"""Factory: what a partner's ERP registers (products, batches, API keys) and takes away (units, codes, exports)."""
