internal import CYAML
internal import ExactText
package import JSON
internal import OrderedCollections

extension JSONValue {
    /// The document as YAML in block style, ending in a line feed.
    ///
    /// Implements yaml_emitter_emit(3).
    package var yaml: String {
        let emitter = YAMLEmitter()
        emitter.document(self)
        return String(decoding: emitter.output, as: UTF8.self)
    }
}

/// libyaml's emitter, writing to memory.
private final class YAMLEmitter {
    private(set) var output: [UInt8] = []
    private let emitter: UnsafeMutablePointer<yaml_emitter_t>

    init() {
        emitter = .allocate(capacity: 1)
        emitter.initialize(to: yaml_emitter_t())
        yaml_emitter_initialize(emitter)
        yaml_emitter_set_unicode(emitter, 1)
        yaml_emitter_set_width(emitter, -1)
        yaml_emitter_set_output(
            emitter,
            { place, bytes, count in
                guard let place, let bytes else { return 0 }
                let emitter = Unmanaged<YAMLEmitter>.fromOpaque(place).takeUnretainedValue()
                emitter.output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
                return 1
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    deinit {
        yaml_emitter_delete(emitter)
        emitter.deallocate()
    }

    func document(_ value: JSONValue) {
        emit { yaml_stream_start_event_initialize(&$0, YAML_UTF8_ENCODING) }
        emit { yaml_document_start_event_initialize(&$0, nil, nil, nil, 1) }
        write(value)
        emit { yaml_document_end_event_initialize(&$0, 1) }
        emit { yaml_stream_end_event_initialize(&$0) }
    }

    /// The emitter takes ownership of the event and frees it; if there is no memory, the program ends, as always in
    /// Swift.
    private func emit(_ initialize: (inout yaml_event_t) -> CInt) {
        var event = yaml_event_t()
        let isWell = initialize(&event) == 1 && yaml_emitter_emit(emitter, &event) == 1
        precondition(isWell, "libyaml cannot emit an event")
    }

    private func write(_ value: JSONValue) {
        switch value {
        case .null: scalar("null", YAML_PLAIN_SCALAR_STYLE)
        case .bool(let bool): scalar(bool ? "true" : "false", YAML_PLAIN_SCALAR_STYLE)
        case .number(let number): scalar(number.text, YAML_PLAIN_SCALAR_STYLE)
        case .string(let text):
            scalar(text, PlainScalar.isMistakable(text) ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE)
        case .array(let elements):
            let style = elements.isEmpty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE
            emit { yaml_sequence_start_event_initialize(&$0, nil, nil, 1, style) }
            elements.forEach(write)
            emit { yaml_sequence_end_event_initialize(&$0) }
        case .object(let members):
            let style = members.isEmpty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE
            emit { yaml_mapping_start_event_initialize(&$0, nil, nil, 1, style) }
            for (name, value) in members {
                let name = name.text
                scalar(name, PlainScalar.isMistakable(name) ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE)
                write(value)
            }
            emit { yaml_mapping_end_event_initialize(&$0) }
        }
    }

    private func scalar(_ text: String, _ style: yaml_scalar_style_t) {
        let bytes = Array(text.utf8)
        bytes.withUnsafeBufferPointer { bytes in
            emit { yaml_scalar_event_initialize(&$0, nil, nil, bytes.baseAddress, CInt(bytes.count), 1, 1, style) }
        }
    }
}
