"""The adapter's defects: one probe each, played with the stock clients and with ours."""
