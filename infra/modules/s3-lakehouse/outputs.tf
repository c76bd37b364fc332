output "buckets" {
  description = "raw, processed, checkpoint and athena: their buckets."
  value       = local.buckets
}
