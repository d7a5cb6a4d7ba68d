internal import JSON
internal import Secrets

extension Field {
    /// A string.
    static func string(
        _ name: String,
        _ path: Path<String>,
        _ rule: TextRule = .text,
        required: Bool = false
    ) -> Field {
        Field(name, required: required) { value, holder throws(FieldError) in
            holder[keyPath: path] = try text(value, rule)
        } write: { holder in
            let string = holder[keyPath: path]
            return string.isEmpty ? nil : .string(string)
        }
    }

    /// Strings.
    static func strings(
        _ name: String,
        _ path: Path<[String]>,
        _ rule: TextRule = .text,
        totalBytes: Int = .max
    ) -> Field {
        Field(name) { value, holder throws(FieldError) in
            var strings: [String] = []
            var total = 0
            for (index, element) in try elements(value).enumerated() {
                do throws(FieldError) {
                    strings.append(try text(element, rule))
                } catch {
                    throw error.inside("[\(index)]")
                }
                total += strings[index].utf8.count
                guard total <= totalBytes else {
                    throw FieldError("more than \(totalBytes) bytes in all")
                }
            }
            holder[keyPath: path] = strings
        } write: { holder in
            let strings = holder[keyPath: path]
            return strings.isEmpty ? nil : .array(strings.map { .string($0) })
        }
    }

    /// A `bool`.
    static func bool(_ name: String, _ path: Path<Bool>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            guard case .bool(let flag) = value else { throw .expected("true or false", found: value) }
            holder[keyPath: path] = flag
        } write: { holder in
            holder[keyPath: path] ? .bool(true) : nil
        }
    }

    /// A `google.protobuf.BoolValue`: written as a bare value; false is not the default.
    static func boolValue(_ name: String, _ path: Path<Bool?>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            guard case .bool(let flag) = value else { throw .expected("true or false", found: value) }
            holder[keyPath: path] = flag
        } write: { holder in
            holder[keyPath: path].map { .bool($0) }
        }
    }

    /// An `int64`: written as a string; numbers are accepted too.
    static func int64(_ name: String, _ path: Path<Int64>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            holder[keyPath: path] = try integer(value)
        } write: { holder in
            let integer = holder[keyPath: path]
            return integer == 0 ? nil : .string(String(integer))
        }
    }

    /// A `google.protobuf.Int64Value`: written as a bare value; 0 is not the default.
    static func int64Value(_ name: String, _ path: Path<Int64?>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            holder[keyPath: path] = try integer(value)
        } write: { holder in
            holder[keyPath: path].map { .string(String($0)) }
        }
    }

    /// An `int32`: written as a number; strings are accepted too.
    static func int32(_ name: String, _ path: Path<Int32>) -> Field {
        Field(name) { value, holder throws(FieldError) in
            guard let integer = Int32(exactly: try integer(value)) else {
                throw FieldError("expected an integer of 32 bits")
            }
            holder[keyPath: path] = integer
        } write: { holder in
            let integer = holder[keyPath: path]
            return integer == 0 ? nil : .number(JSONNumber(integer))
        }
    }

    /// An enum: written as a name; numbers are accepted too.
    static func enumeration<Value: WireEnum>(
        _ name: String,
        _ path: Path<Value>
    ) -> Field {
        Field(name) { value, holder throws(FieldError) in
            holder[keyPath: path] = try Value(json: value)
        } write: { holder in
            let value = holder[keyPath: path]
            return value == Value(number: 0) ? nil : .string(value.rawValue)
        }
    }

    static func text(_ value: JSONValue, _ rule: TextRule) throws(FieldError) -> String {
        guard case .string(let string) = value else { throw .expected("a string", found: value) }
        guard !CephKey.isIn(string) else { throw .holdsKey }
        if let problem = rule.problem(with: string) { throw FieldError(problem) }
        return string
    }

    static func elements(_ value: JSONValue) throws(FieldError) -> [JSONValue] {
        guard case .array(let elements) = value else { throw .expected("an array", found: value) }
        return elements
    }

    static func integer(_ value: JSONValue) throws(FieldError) -> Int64 {
        let number: JSONNumber? =
            switch value {
            case .number(let number): number
            case .string(let text): JSONNumber(parsing: text)
            default: throw .expected("an integer", found: value)
            }
        guard let integer = number?.int64 else {
            throw FieldError("expected an integer of 64 bits, found \(value.kind) that is none")
        }
        return integer
    }
}
