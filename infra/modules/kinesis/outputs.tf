output "stream_name" {
  description = "The name of the stream, whether it is there or not."
  value       = local.stream
}

output "streams" {
  description = "Streams that are there; each is billed by the hour."
  value       = aws_kinesis_stream.trades[*].name
}
