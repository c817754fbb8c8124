// Measures Logisland's published ParseNetworkPacket with one of its serializers:
//
//   java ParseSeed none|json|kryo FILE.pcap SECONDS
//
// One thread takes frames of a classic pcap file as Kafka messages, parses them in
// stream mode and serializes the records, as the tutorial's stream does per batch.
// The first half of the time warms the JVM up; of the second half it prints packets,
// seconds, and the CPU seconds of the whole process.
import com.hurence.logisland.processor.StandardProcessContext;
import com.hurence.logisland.processor.networkpacket.ParseNetworkPacket;
import com.hurence.logisland.record.FieldDictionary;
import com.hurence.logisland.record.FieldType;
import com.hurence.logisland.record.Record;
import com.hurence.logisland.record.StandardRecord;
import com.hurence.logisland.serializer.JsonSerializer;
import com.hurence.logisland.serializer.KryoSerializer;
import com.hurence.logisland.serializer.RecordSerializer;

import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

public class ParseSeed {
    static final int BATCH = 4000; // the tutorial's kafka.max.rate.per.partition

    public static void main(String[] args) throws Exception {
        RecordSerializer serializer = args[0].equals("json") ? new JsonSerializer()
                : args[0].equals("kryo") ? new KryoSerializer(true) : null;
        List<byte[]> frames = readFrames(args[1]);
        long length = (long) (Double.parseDouble(args[2]) * 1e9);

        ParseNetworkPacket parser = new ParseNetworkPacket();
        StandardProcessContext context = new StandardProcessContext(parser, "ParseNetworkPacket");
        context.setProperty("debug", "false");
        context.setProperty("flow.mode", "stream");
        parser.init(context);

        long begin = System.nanoTime(), packets = 0, warm = 0, warmAt = 0, warmCPU = 0;
        int next = 0;
        while (System.nanoTime() - begin < length) {
            if (warmAt == 0 && System.nanoTime() - begin > length / 2) {
                warm = packets;
                warmAt = System.nanoTime();
                warmCPU = cpuNanos();
            }
            List<Record> batch = new ArrayList<>(BATCH);
            for (int i = 0; i < BATCH; i++, next = (next + 1) % frames.size()) {
                Record message = new StandardRecord();
                message.setField(FieldDictionary.RECORD_VALUE, FieldType.BYTES, frames.get(next));
                batch.add(message);
            }
            Collection<Record> parsed = parser.process(context, batch);
            if (serializer != null) {
                for (Record r : parsed) serializer.serialize(new ByteArrayOutputStream(512), r);
            }
            packets += parsed.size();
        }
        System.out.printf(Locale.ROOT, "{\"packets\":%d,\"seconds\":%.3f,\"cpu\":%.3f}%n", packets - warm,
                (System.nanoTime() - warmAt) / 1e9, (cpuNanos() - warmCPU) / 1e9);
    }

    static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    /** Classic pcap, microseconds or nanoseconds, either byte order. */
    static List<byte[]> readFrames(String file) throws Exception {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(Paths.get(file)));
        int magic = in.getInt();
        if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d) in.order(ByteOrder.LITTLE_ENDIAN);
        List<byte[]> frames = new ArrayList<>();
        for (in.position(24); in.remaining() > 16; ) {
            byte[] frame = new byte[in.getInt(in.position() + 8)];
            in.position(in.position() + 16);
            in.get(frame);
            frames.add(frame);
        }
        return frames;
    }
}
