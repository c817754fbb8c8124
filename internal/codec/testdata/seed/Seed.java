// Asks Logisland's own classes, as published in release 1.2.0.
//
//   parse                        a frame in hex a line -> what ParseNetworkPacket makes of it, one JSON line:
//                                {} when that is nothing. Without what differs from run to run (record_id,
//                                record_time, packet_timestamp_in_nanos).
//   read json|extended-json|avro SCHEMA
//                                a message in base64 a line -> the fields of the record that the serializer
//                                reads from it, one JSON line
import com.hurence.logisland.processor.StandardProcessContext;
import com.hurence.logisland.processor.networkpacket.ParseNetworkPacket;
import com.hurence.logisland.record.Field;
import com.hurence.logisland.record.FieldDictionary;
import com.hurence.logisland.record.FieldType;
import com.hurence.logisland.record.Record;
import com.hurence.logisland.record.StandardRecord;
import com.hurence.logisland.serializer.AvroSerializer;
import com.hurence.logisland.serializer.ExtendedJsonSerializer;
import com.hurence.logisland.serializer.JsonSerializer;
import com.hurence.logisland.serializer.RecordSerializer;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;

public class Seed {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        Set<String> volatileFields = Set.of("record_id", "record_time", "packet_timestamp_in_nanos");
        if (args[0].equals("parse")) {
            ParseNetworkPacket parser = new ParseNetworkPacket();
            StandardProcessContext context = new StandardProcessContext(parser, "ParseNetworkPacket");
            context.setProperty("debug", "false");
            context.setProperty("flow.mode", "stream");
            parser.init(context);
            for (String line; (line = in.readLine()) != null; ) {
                Record message = new StandardRecord();
                message.setField(new Field(FieldDictionary.RECORD_VALUE, FieldType.BYTES, hex(line)));
                out.println(print(parser.process(context, List.of(message)), volatileFields));
            }
        } else {
            RecordSerializer s = args[1].equals("json") ? new JsonSerializer()
                    : args[1].equals("avro") ? new AvroSerializer(Files.readString(Paths.get(args[2])))
                    : new ExtendedJsonSerializer();
            for (String line; (line = in.readLine()) != null; ) {
                Record r = s.deserialize(new ByteArrayInputStream(Base64.getDecoder().decode(line)));
                out.println(print(List.of(r), Set.of()));
            }
        }
        out.flush();
    }

    static byte[] hex(String s) {
        byte[] b = new byte[s.length() / 2];
        for (int i = 0; i < b.length; i++) b[i] = (byte) Integer.parseInt(s.substring(2 * i, 2 * i + 2), 16);
        return b;
    }

    static String print(Collection<Record> records, Set<String> without) {
        StringJoiner all = new StringJoiner(",", "{", "}");
        for (Record r : records)
            for (Field f : r.getAllFieldsSorted()) {
                Object v = f.getRawValue();
                if (without.contains(f.getName()) || v == null) continue;
                all.add(quote(f.getName()) + ":" + value(v));
            }
        return all.toString();
    }

    static String value(Object v) {
        if (v instanceof Number || v instanceof Boolean) return v.toString();
        if (v instanceof byte[]) return quote(Base64.getEncoder().encodeToString((byte[]) v));
        if (v instanceof java.nio.ByteBuffer) { // what AvroSerializer reads bytes into
            java.nio.ByteBuffer b = ((java.nio.ByteBuffer) v).duplicate();
            byte[] bytes = new byte[b.remaining()];
            b.get(bytes);
            return quote(Base64.getEncoder().encodeToString(bytes));
        }
        if (v instanceof Collection) {
            StringJoiner list = new StringJoiner(",", "[", "]");
            for (Object e : (Collection<?>) v) list.add(value(e));
            return list.toString();
        }
        return quote(v.toString());
    }

    static String quote(String s) {
        StringBuilder q = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') q.append('\\').append(c);
            else if (c < 0x20) q.append(String.format("\\u%04x", (int) c));
            else q.append(c);
        }
        return q.append('"').toString();
    }
}
