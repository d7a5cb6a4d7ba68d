/// Where and how the service is offered.
package struct ServerConfiguration: Sendable {
    /// The socket's path, at most 101 bytes.
    package var socketPath: String
    /// The driver's name: `rbd.nacre.io`.
    package var driverName: String
    /// Our version.
    package var version: String
    /// The time a call has when its caller names none.
    package var defaultTimeout: Duration = .seconds(60)
    /// The most time a call may ask for.
    package var longestTimeout: Duration = .seconds(600)
    /// How long a request's head may take from its first byte on, and then its body.
    package var readTimeout: Duration = .seconds(10)
    /// How long a client may take to read its answer.
    package var writeTimeout: Duration = .seconds(30)
    /// The time for which a connection may lie idle.
    package var idleTimeout: Duration = .seconds(60)
    /// The longest body of a request.
    package var largestBodyBytes = 1 << 20
    /// How many calls may be under way at once; further calls are refused.
    package var mostCalls = 128
    /// How many connections may be open at once; a further one closes the connection that has been without a request
    /// for longest.
    package var mostConnections = 256

    /// Everything but the names at its default.
    package init(socketPath: String, driverName: String, version: String) {
        self.socketPath = socketPath
        self.driverName = driverName
        self.version = version
    }
}

/// Whether calls can be served.
package enum Readiness: Sendable, Hashable {
    /// They can.
    case ready
    /// Not yet.
    case starting
    /// Not ready until somebody corrects what the sentence names.
    case misconfigured(String)
}

/// How the process and what it leans on are.
package struct Health: Sendable, Hashable {
    /// One thing that can be well or not.
    package struct Part: Sendable, Hashable {
        /// Its name: `cluster/ceph-a`.
        package let name: String
        /// Whether it is well.
        package let isWell: Bool
        /// One sentence; holds no secret.
        package let message: String

        /// States how a part is.
        package init(_ name: String, isWell: Bool, message: String) {
            self.name = name
            self.isWell = isWell
            self.message = message
        }
    }

    /// The parts.
    package var parts: [Part]

    /// Puts the parts together.
    package init(_ parts: [Part]) {
        self.parts = parts
    }

    /// Whether every part is.
    package var isWell: Bool { parts.allSatisfy(\.isWell) }
}
