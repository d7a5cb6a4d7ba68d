internal import CYAML
internal import ExactText
package import JSON
internal import OrderedCollections

extension JSONValue {
    /// Reads one YAML document that can be expressed in JSON, such as a kubeconfig or a manifest.
    ///
    /// Plain scalars get YAML 1.2's core types; everything quoted is a string. Aliases and tags are refused: aliases
    /// can expand without end, and these files do not use them. Nesting is limited as in JSON.
    ///
    /// Implements yaml_parser_parse(3).
    ///
    /// - Throws: `YAMLError` with the line of the error.
    package init(parsingYAML bytes: [UInt8]) throws(YAMLError) {
        let parser = YAMLParser(bytes)
        self = try parser.document()
    }
}

/// libyaml's events, taken one by one.
private final class YAMLParser {
    private let bytes: UnsafeMutableBufferPointer<UInt8>
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    init(_ bytes: [UInt8]) {
        self.bytes = .allocate(capacity: bytes.count)
        _ = self.bytes.initialize(from: bytes)
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_input_string(parser, self.bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        bytes.deallocate()
    }

    private enum Event {
        case scalar(JSONValue)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
        case bracket
        case end
    }

    private var line: Int { Int(parser.pointee.mark.line) + 1 }

    func document() throws(YAMLError) -> JSONValue {
        var first = try next()
        while case .bracket = first { first = try next() }
        if case .end = first { return .null }
        let value = try value(first, depth: 0)
        while true {
            switch try next() {
            case .bracket: continue
            case .end: return value
            default: throw YAMLError(line: line, reason: "there is more than one document")
            }
        }
    }

    private func next() throws(YAMLError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else {
            let reason = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
            throw YAMLError(line: Int(parser.pointee.problem_mark.line) + 1, reason: reason)
        }
        defer { yaml_event_delete(&event) }
        switch event.type {
        case YAML_SCALAR_EVENT: return .scalar(try scalar(event))
        case YAML_SEQUENCE_START_EVENT:
            try refuse(tag: event.data.sequence_start.tag)
            return .sequenceStart
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            try refuse(tag: event.data.mapping_start.tag)
            return .mappingStart
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_ALIAS_EVENT: throw YAMLError(line: line, reason: "aliases are not taken here")
        case YAML_STREAM_END_EVENT: return .end
        default: return .bracket
        }
    }

    private func refuse(tag: UnsafeMutablePointer<yaml_char_t>?) throws(YAMLError) {
        guard tag == nil else { throw YAMLError(line: line, reason: "tags are not taken here") }
    }

    private func scalar(_ event: yaml_event_t) throws(YAMLError) -> JSONValue {
        let scalar = event.data.scalar
        try refuse(tag: scalar.tag)
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        guard scalar.style == YAML_PLAIN_SCALAR_STYLE else { return .string(text) }
        return PlainScalar.value(of: text)
    }

    private func value(_ event: Event, depth: Int) throws(YAMLError) -> JSONValue {
        guard depth <= JSONValue.deepestNesting else { throw YAMLError(line: line, reason: "it is nested too deep") }
        switch event {
        case .scalar(let value): return value
        case .sequenceStart:
            var elements: [JSONValue] = []
            while true {
                let event = try next()
                if case .sequenceEnd = event { return .array(elements) }
                elements.append(try value(event, depth: depth + 1))
            }
        case .mappingStart:
            var members: JSONObject = [:]
            while true {
                let event = try next()
                if case .mappingEnd = event { return .object(members) }
                guard let name = try name(event) else { throw YAMLError(line: line, reason: "a key is no scalar") }
                guard members[name: name] == nil else { throw YAMLError(line: line, reason: "a key is there twice") }
                members[name: name] = try value(next(), depth: depth + 1)
            }
        case .sequenceEnd, .mappingEnd, .bracket, .end:
            throw YAMLError(line: line, reason: "a value is missing")
        }
    }

    private func name(_ event: Event) throws(YAMLError) -> String? {
        guard case .scalar(let value) = event else { return nil }
        switch value {
        case .string(let text): return text
        case .number(let number): return number.text
        case .bool(let bool): return bool ? "true" : "false"
        case .null: return "null"
        case .array, .object: return nil
        }
    }
}
