import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends one prompt to glyphstream. Sending the same id again, after any error, makes no second picture. */
public final class Produce {
    static final String BOOTSTRAP = System.getenv().getOrDefault("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    static final String TOPIC = System.getenv().getOrDefault("GLYPHSTREAM_TOPIC_PREFIX", "") + "prompts";
    /** Your service; ids are unique within it. */
    static final String SOURCE = "campaign-tool";

    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            System.err.println("usage: java Produce ID PROMPT [TEXT...]");
            System.exit(2);
        }
        String id = args[0];
        List<Map<String, String>> texts =
                Arrays.stream(args).skip(2).map(text -> Map.of("text", text)).toList();
        // All other fields are optional: schemas/asyncapi.yaml
        Map<String, Object> prompt = Map.of("id", id, "source", SOURCE, "prompt", args[1], "texts", texts);

        ObjectMapper json = new ObjectMapper();
        String key = json.writeValueAsString(List.of(SOURCE, id));
        var record = new ProducerRecord<>(TOPIC, key, json.writeValueAsString(prompt));
        Map.of(
                "ce_specversion", "1.0",
                "ce_type", "glyphstream.prompt.v1",
                "ce_source", SOURCE,
                "ce_id", id,
                "ce_time", Instant.now().toString(),
                "ce_subject", key,
                "content-type", "application/json"
        ).forEach((name, value) -> record.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));

        Map<String, Object> settings = Map.of(
                "bootstrap.servers", BOOTSTRAP,
                "acks", "all",
                "enable.idempotence", true);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            var sent = producer.send(record).get(); // throws when it was not delivered
            System.out.printf("sent to %s, partition %d, offset %d%n", sent.topic(), sent.partition(), sent.offset());
        }
    }
}
