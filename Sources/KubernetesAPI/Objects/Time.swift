internal import Timestamps

/// Points in time as Kubernetes writes them.
package enum KubernetesTime {
    /// RFC 3339 with seconds, as `metav1.Time`.
    ///
    /// - Parameter date: Since 1970; now unless given.
    /// - Returns: The text.
    package static func seconds(_ date: Duration? = nil) -> String { Timestamp.text(date ?? .sinceEpoch) }

    /// RFC 3339 with six digits of a fraction, as `metav1.MicroTime`.
    ///
    /// - Parameter date: Since 1970; now unless given.
    /// - Returns: The text.
    package static func microseconds(_ date: Duration? = nil) -> String {
        Timestamp.text(date ?? .sinceEpoch, hasMicroseconds: true)
    }
}
