"""Everything that touches confluent-kafka: settings, topics, the consumer stage and the producer stage."""
