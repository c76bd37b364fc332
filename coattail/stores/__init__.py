"""Step 5 of 7: landed batches in; Iceberg tables, the DLQ and the hot store out."""
