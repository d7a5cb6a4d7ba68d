/// What a pass puts on the device.
enum ZapFill: Sendable, Hashable {
    /// Random bytes.
    case noise
    /// Zeros that are written.
    case zeros
    /// Zeros that the device makes by itself, if it is fast at that.
    case fastZeros
}

extension ZapMethod {
    /// The passes, in order.
    var fills: [ZapFill] {
        switch self {
        case .signatures, .discard: [.fastZeros]
        case .zero(let passes): Array(repeating: .zeros, count: passes - 1) + [.fastZeros]
        case .shred(let passes): Array(repeating: .noise, count: passes) + [.zeros]
        }
    }
}

/// Whether the device makes zeros by itself.
struct Offload {
    /// Whether it is asked to.
    var isOn: Bool
    /// Whether it has made any.
    var was = false

    init(isOn: Bool) { self.isOn = isOn }
}
