# The waiter alone: neither Locust nor gevent is in this image.
FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY docker/waiter.lock /tmp/waiter.lock
RUN pip install --no-cache-dir --require-hashes -r /tmp/waiter.lock
WORKDIR /app
COPY waiter_service ./waiter_service
RUN useradd --no-create-home --uid 10001 waiter
USER 10001
ENV WAITER_METRICS_PORT=9464
EXPOSE 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "waiter_service"]
