"""What Scan does: verdicts (`scans`), pages (`pages`), receipts (`receipts`)."""
