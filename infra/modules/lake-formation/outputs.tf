output "tag" {
  description = "The LF-tag that says who may read a table: open or restricted."
  value       = aws_lakeformation_lf_tag.sensitivity.key
}
