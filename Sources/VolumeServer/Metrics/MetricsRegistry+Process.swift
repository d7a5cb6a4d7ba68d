internal import ExactText
internal import Glibc

extension MetricsRegistry {
    /// Adds the standard process metrics, the program's version, and the driver that it is: an alert finds its classes by it.
    package func registerProcess(version: String, driver: String) {
        describe("nacre_build_info", "1, with the driver's name and the version as labels.")
        gauge("nacre_build_info", [("driver", driver), ("version", version)]).set(1)
        registerGauge("process_resident_memory_bytes", "Resident memory.") {
            Double(Self.residentPages * sysconf(Int32(_SC_PAGESIZE)))
        }
        let started = Self.startTime
        registerGauge("process_start_time_seconds", "Start of the process, since the epoch.") { started }
    }

    /// See: proc_pid_statm(5).
    private static var residentPages: Int {
        Self.contents(of: "/proc/self/statm").parts(at: " ", omittingEmpty: true).dropFirst().first.flatMap { Int($0) }
            ?? 0
    }

    /// See: proc_pid_stat(5), field 22; proc_stat(5), btime.
    private static var startTime: Double {
        let afterName = contents(of: "/proc/self/stat").parts(at: ")", omittingEmpty: true).last ?? ""
        let fields = afterName.parts(at: " ", omittingEmpty: true)
        let boot = contents(of: "/proc/stat").parts(at: "\n", omittingEmpty: true).first {
            $0.startsExactly(with: "btime ")
        }
        guard fields.count > 19, let ticks = Double(fields[19]), let booted = boot.flatMap({ Double($0.dropFirst(6)) })
        else { return 0 }
        return booted + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func contents(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
            }
            guard got > 0 else { break }
            count += got
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
