import Logging
import Secrets

/// Lines of the log on standard error, without a cephx key in them, whatever they repeat.
struct MaskingLogHandler: LogHandler {
    private var lines: StreamLogHandler

    init(label: String) {
        lines = StreamLogHandler.standardError(label: label)
    }

    var logLevel: Logger.Level {
        get { lines.logLevel }
        set { lines.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { lines.metadata }
        set { lines.metadata = newValue.mapValues(Self.masked) }
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { lines[metadataKey: key] }
        set { lines[metadataKey: key] = newValue.map(Self.masked) }
    }

    func log(event: LogEvent) {
        var event = event
        event.message = "\(CephKey.masked(event.message.description))"
        event.metadata = event.metadata?.mapValues(Self.masked)
        lines.log(event: event)
    }

    private static func masked(_ value: Logger.MetadataValue) -> Logger.MetadataValue {
        switch value {
        case .string(let text): .string(CephKey.masked(text))
        case .stringConvertible(let text): .string(CephKey.masked(text.description))
        case .array(let values): .array(values.map(masked))
        case .dictionary(let values): .dictionary(values.mapValues(masked))
        }
    }
}
