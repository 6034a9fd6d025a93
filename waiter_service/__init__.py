"""The service to load-test: it reads requests from one Kafka topic, waits, and answers on another.

Ordinary threads and ordinary logging.  It never imports `locust_kafka`, Locust or gevent: importing Locust turns
threads into greenlets.  The two packages share the wire contract and nothing else.
"""
