# Locust with the plugin; put your locustfile under /mnt/locust, or use one of the examples there.
FROM python:3.13-slim AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY locust_kafka ./locust_kafka
COPY waiter_service ./waiter_service
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY docker/locust-kafka.lock /tmp/locust-kafka.lock
RUN pip install --no-cache-dir --require-hashes -r /tmp/locust-kafka.lock
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
RUN useradd --create-home --uid 10001 locust
USER 10001
WORKDIR /mnt/locust
COPY locustfiles ./
EXPOSE 8089 5557
ENTRYPOINT ["locust"]
