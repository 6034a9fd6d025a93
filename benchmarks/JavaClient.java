import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The floor of the Java client: the closed model with nothing around it.  One thread polls, matches each reply to its
 * request by the key, and sends the next one.  It sends until it is ended.
 *
 * <p>JavaClient BOOTSTRAP REQUESTS REPLIES IN_FLIGHT WARM_S MEASURE_S
 */
public final class JavaClient {
  private static final byte[] VALUE = "x".repeat(200).getBytes(StandardCharsets.US_ASCII);

  private final KafkaProducer<String, byte[]> producer;
  private final String requests;
  private final Map<String, Long> pending = new HashMap<>();
  private long[] latencies = new long[1 << 20];
  private int count;

  private JavaClient(KafkaProducer<String, byte[]> producer, String requests) {
    this.producer = producer;
    this.requests = requests;
  }

  public static void main(String[] arguments) {
    JavaClient client = new JavaClient(producer(arguments[0]), arguments[1]);
    client.producer.partitionsFor(client.requests);
    try (KafkaConsumer<String, byte[]> consumer = consumer(arguments[0])) {
      String replies = arguments[2];
      List<TopicPartition> partitions =
          consumer.partitionsFor(replies).stream().map(p -> new TopicPartition(replies, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToEnd(partitions);
      partitions.forEach(consumer::position); // the seek is lazy: nothing is missed only once it is done
      for (int number = Integer.parseInt(arguments[3]); number > 0; number--) {
        client.send();
      }
      client.exchange(consumer, Double.parseDouble(arguments[4]));
      client.count = 0;
      System.out.println("BENCH begin");
      client.exchange(consumer, Double.parseDouble(arguments[5]));
      System.out.println("BENCH end");
      System.out.println(client.figures());
      while (true) {
        client.count = 0; // what is noted from here on is nobody's
        client.exchange(consumer, 1);
      }
    }
  }

  private void exchange(KafkaConsumer<String, byte[]> consumer, double seconds) {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    long now;
    do {
      ConsumerRecords<String, byte[]> records = consumer.poll(Duration.ofMillis(100));
      now = System.nanoTime();
      for (ConsumerRecord<String, byte[]> reply : records) {
        Long sent = pending.remove(reply.key());
        if (sent != null) {
          note(now - sent);
          send();
        }
      }
    } while (now < end);
  }

  private void note(long nanos) {
    if (count == latencies.length) {
      latencies = Arrays.copyOf(latencies, 2 * count);
    }
    latencies[count++] = nanos;
  }

  private void send() {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    String id = HexFormat.of().toHexDigits(random.nextLong()) + HexFormat.of().toHexDigits(random.nextLong());
    ProducerRecord<String, byte[]> request = new ProducerRecord<>(requests, id, VALUE);
    String traceparent = "00-" + id + "-0000000000000001-00";
    request.headers().add("traceparent", traceparent.getBytes(StandardCharsets.US_ASCII));
    pending.put(id, System.nanoTime());
    producer.send(request, (metadata, failure) -> {
      if (failure != null) {
        System.out.println("a request was not delivered: " + failure.getMessage());
        Runtime.getRuntime().halt(1);
      }
    });
  }

  private String figures() {
    long[] ordered = Arrays.copyOf(latencies, count);
    Arrays.sort(ordered);
    return String.format(
        Locale.ROOT, "BENCH {\"count\": %d, \"p50\": %.3f, \"p99\": %.3f}",
        count, ordered[count / 2] / 1e6, ordered[(int) (count * 99L / 100)] / 1e6);
  }

  private static KafkaProducer<String, byte[]> producer(String bootstrap) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("enable.idempotence", "true");
    settings.put("linger.ms", "0");
    settings.put("max.in.flight.requests.per.connection", "1"); // as the bare client
    return new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
  }

  private static KafkaConsumer<String, byte[]> consumer(String bootstrap) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("enable.auto.commit", "false");
    return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
  }
}
