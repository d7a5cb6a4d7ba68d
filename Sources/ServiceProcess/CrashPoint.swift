#if DEBUG
    import Glibc
    package import Volumes

    /// Kills a debug build at the step that NACRE_CRASH_AT names, for the crash tests.
    package enum CrashPoint {
        package static var observer: StepObserver? {
            guard let wanted = getenv("NACRE_CRASH_AT").map({ String(cString: $0) }) else { return nil }
            return { step in
                guard step.name == wanted else { return }
                kill(getpid(), SIGKILL)
            }
        }
    }
#else
    package import Volumes

    /// Nothing in a release build.
    package enum CrashPoint {
        package static var observer: StepObserver? { nil }
    }
#endif
