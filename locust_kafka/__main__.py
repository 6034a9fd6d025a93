"""`python -m locust_kafka` is the command `locust-kafka`."""

from locust_kafka.cli.command import main

if __name__ == "__main__":
    main()
