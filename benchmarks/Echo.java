import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The lightest service there is: key, value and headers of each request back on the reply topic, in the partition that
 * it asks for, some milliseconds after it was polled.  Whoever measures a generator against it measures the generator.
 *
 * <p>Echo BOOTSTRAP REQUESTS REPLIES DELAY_MS
 */
public final class Echo {
  /** What one poll brought, and when it is to be answered. */
  private record Batch(long dueNanos, ConsumerRecords<byte[], byte[]> records) {}

  private final KafkaProducer<byte[], byte[]> producer;
  private final String replies;

  private Echo(KafkaProducer<byte[], byte[]> producer, String replies) {
    this.producer = producer;
    this.replies = replies;
  }

  public static void main(String[] arguments) throws InterruptedException {
    String bootstrap = arguments[0];
    String requests = arguments[1];
    long delayNanos = (long) (Double.parseDouble(arguments[3]) * 1e6);
    Echo echo = new Echo(producer(bootstrap), arguments[2]);
    echo.producer.partitionsFor(echo.replies);
    BlockingQueue<Batch> waiting = new LinkedBlockingQueue<>();
    if (delayNanos > 0) {
      Thread sender = new Thread(() -> echo.answerWhenDue(waiting), "sender");
      sender.setDaemon(true);
      sender.start();
    }
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap)) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(requests).stream().map(p -> new TopicPartition(requests, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToEnd(partitions);
      partitions.forEach(consumer::position); // the seek is lazy: ready only once it is done
      System.out.println("ready");
      while (true) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
        if (delayNanos == 0) {
          echo.answer(records);
        } else if (!records.isEmpty()) {
          waiting.put(new Batch(System.nanoTime() + delayNanos, records));
        }
      }
    }
  }

  private void answerWhenDue(BlockingQueue<Batch> waiting) {
    try {
      while (true) {
        Batch batch = waiting.take();
        long remaining;
        while ((remaining = batch.dueNanos() - System.nanoTime()) > 0) {
          LockSupport.parkNanos(remaining);
        }
        answer(batch.records());
      }
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }

  private void answer(ConsumerRecords<byte[], byte[]> records) {
    for (ConsumerRecord<byte[], byte[]> request : records) {
      Integer partition = wantedPartition(request.headers().lastHeader("reply-partition"));
      producer.send(new ProducerRecord<>(replies, partition, request.key(), request.value(), request.headers()));
    }
  }

  private static Integer wantedPartition(Header header) {
    return header == null ? null : Integer.valueOf(new String(header.value(), StandardCharsets.US_ASCII));
  }

  private static KafkaProducer<byte[], byte[]> producer(String bootstrap) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("acks", "1");
    settings.put("enable.idempotence", "false");
    settings.put("linger.ms", "0");
    settings.put("batch.size", "65536");
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("enable.auto.commit", "false");
    settings.put("max.poll.records", "5000");
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }
}
