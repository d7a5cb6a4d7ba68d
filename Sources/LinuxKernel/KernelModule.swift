internal import Glibc
internal import SystemPackage

/// Modules of the kernel.
public enum KernelModule {
    /// Loads a module by modprobe; false if that fails for any reason.
    ///
    /// Waits at most 20 s, because a module's start may access hardware.
    @discardableResult
    public static func load(_ name: String) -> Bool {
        for program in ["/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe"] where access(program, X_OK) == 0 {
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("modprobe"), strdup("-q"), strdup(name), nil]
            defer { for argument in arguments { free(argument) } }
            var pid = pid_t()
            guard posix_spawn(&pid, program, nil, nil, &arguments, nil) == 0 else { continue }
            return wait(for: pid)
        }
        return false
    }

    private static func wait(for pid: pid_t) -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        var status: CInt = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
            usleep(5000)
        }
        return status == 0
    }
}
