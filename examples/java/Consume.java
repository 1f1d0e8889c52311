import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Saves the picture of every final result. Killed anywhere, it carries on where it was: a picture is on disk
 * before its offset is committed.
 */
public final class Consume {
    static final String BOOTSTRAP = System.getenv().getOrDefault("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    static final String TOPIC = System.getenv().getOrDefault("GLYPHSTREAM_TOPIC_PREFIX", "") + "results";
    /** Your service; its members share the work. */
    static final String GROUP = System.getenv().getOrDefault("KAFKA_GROUP_ID", "poster-archive");

    public static void main(String[] args) throws Exception {
        if (args.length < 1) {
            System.err.println("usage: java Consume FOLDER [FINALS]   (ends after so many; never by default)");
            System.exit(2);
        }
        Path folder = Files.createDirectories(Path.of(args[0]));
        long left = args.length > 1 ? Long.parseLong(args[1]) : Long.MAX_VALUE;
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", BOOTSTRAP,
                "group.id", GROUP,
                "isolation.level", "read_committed", // else you see results that were taken back
                "auto.offset.reset", "earliest", // a new group misses nothing
                "enable.auto.commit", false);
        ObjectMapper json = new ObjectMapper();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(TOPIC));
            while (left > 0) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    JsonNode result = json.readTree(record.value());
                    if (left > 0 && isFinal(result)) {
                        String id = result.at("/ref/id").asText();
                        System.out.println(id + " " + result.get("status").asText() + " " + save(result, folder));
                        var partition = new TopicPartition(record.topic(), record.partition());
                        consumer.commitSync(Map.of(partition, new OffsetAndMetadata(record.offset() + 1)));
                        left--;
                    }
                }
            }
        }
    }

    /** Every prompt ends in exactly one of these for each variant; previews and replays pass by. */
    static boolean isFinal(JsonNode result) {
        return result.get("final").asBoolean() && result.at("/ref/run").asText().equals("live");
    }

    /** The file, or why there is none (refused, failed, expired...). Saving twice does no harm. */
    static String save(JsonNode result, Path folder) throws Exception {
        JsonNode image = result.at("/pictures/image");
        if (image.isMissingNode()) {
            return result.get("reason").asText();
        }
        byte[] data;
        // file: and http(s): as they are; s3:, gs: and az: take your cloud's own client here.
        try (var answer = URI.create(image.get("uri").asText()).toURL().openStream()) {
            data = answer.readAllBytes();
        }
        String sha256 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
        if (!sha256.equals(image.get("sha256").asText())) {
            throw new IOException(image.get("uri").asText()
                    + " is not the picture that was promised; its offset stays uncommitted");
        }
        JsonNode ref = result.get("ref");
        String name = ref.get("id").asText().replaceAll("[^A-Za-z0-9-]", "_"); // an id may hold anything, slashes too
        name = name.substring(0, Math.min(name.length(), 40));
        Path path = folder.resolve(name + "." + ref.get("variant").asInt() + "." + sha256.substring(0, 12) + ".png");
        return Files.write(path, data).toString();
    }
}
