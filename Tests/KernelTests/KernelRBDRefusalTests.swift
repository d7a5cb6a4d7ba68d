import Glibc
import ImageMapping
import KernelMapping
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RBD
import Secrets
import Testing
import Volumes

extension KernelTests {
    /// What went wrong with `request`, and that it did not take long.
    private func refusal(_ lab: NodeLab, _ request: MapRequest) throws -> MappingError {
        let begin = ContinuousClock.now
        do {
            _ = try lab.map(request)
        } catch let error as MappingError {
            // The kernel by itself would wait for 61 s.
            #expect(.now - begin < .seconds(50))
            try lab.unmap(request.image.name)
            return error
        }
        Issue.record("it was mapped")
        return MappingError(.other, "")
    }

    @Test("krbd: an image whose features the kernel lacks is refused with their names and the way out")
    func features() throws {
        let lab = try NodeLab.kernel("journaled", megabytes: 16, features: [.layering, .exclusiveLock, .journaling])
        let error = try refusal(lab, lab.mapRequest("journaled"))
        #expect(error.kind == .unsupported)
        for words in ["has journaling", "rbd feature disable rbd/journaled journaling", "mounter: nbd"] {
            #expect(error.message.contains(words), "\(error)")
        }
        #expect(try lab.remains("journaled") == [])
    }

    @Test("krbd: what cannot be mapped is refused at once and says why")
    func refusals() throws {
        let lab = try NodeLab.kernel("refused", megabytes: 16)
        let wrong = Credentials(
            userID: lab.credentials.userID,
            userKey: Secret("AQD2AQAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==")
        )
        let refused = try refusal(lab, lab.mapRequest("refused", credentials: wrong))
        #expect(refused.kind == .denied && refused.message.contains("client.csi-rbd-node"), "\(refused)")

        let absent = try refusal(lab, lab.mapRequest("absent"))
        #expect(absent.kind == .notFound && absent.message.contains("rbd/absent"), "\(absent)")

        let option = try refusal(lab, lab.mapRequest("refused", mapOptions: "secret=abc"))
        #expect(option.kind == .invalid && option.message.contains("'secret'") && !option.message.contains("abc"))

        let nobody = try refusal(lab, lab.mapRequest("refused", monitors: ["10.77.0.1:9"]))
        #expect(nobody.kind == .unavailable && nobody.message.contains("10.77.0.1:9: connection refused"), "\(nobody)")
        #expect(try lab.remains("refused") == [])
    }

    @Test("krbd: a key of a type that this kernel does not know is refused by name, and auto takes another mapper")
    func keyType() throws {
        var lab = try NodeLab.kernel("newkey", megabytes: 16)
        // `ceph-authtool --gen-print-key` of 20.2.4; no cluster ever had it.
        let credentials = Credentials(
            userID: lab.credentials.userID,
            userKey: Secret("AgDp0AxrizoxFCAAalTATMVJRpzESGcP/ZxdrEK0j8RQ5AHob/qpk1vX3JY=")
        )
        let release = try #require(KernelFile.firstLine("/proc/sys/kernel/osrelease"))
        let error = try refusal(lab, lab.mapRequest("newkey", credentials: credentials))
        // A kernel that knows the type asks the cluster, which knows no such key.
        guard error.kind != .denied else { return }
        #expect(error.kind == .unsupported, "\(error)")
        for words in [
            "by krbd", "aes256k", "this kernel (\(release))", "Linux 7.0", "'mounter: auto'", "--key-type aes",
        ] {
            #expect(error.message.contains(words), "\(error)")
        }
        #expect(!error.message.contains("alTATMVJRpz"))
        // A key of the old type, right or wrong, is the cluster's to judge.
        let device = try lab.map(lab.mapRequest("newkey"))
        #expect(device.mapper == .krbd)
        try lab.unmap("newkey")
        lab.mappers = [.krbd, .fuse]
        let choice = try #require(MapperChoice(mounter: "krbd", mayFallBack: false))
        #expect {
            _ = try lab.imageMappers().map(lab.mapRequest("newkey", credentials: credentials), by: choice)
        } throws: { ($0 as? MappingError)?.message.contains("by krbd: the key of client.") == true }
        // librados of this guest does not know the type either, so it is the second mapper that is refused by the key.
        #expect {
            _ = try lab.imageMappers().map(lab.mapRequest("newkey", credentials: credentials))
        } throws: { error in
            let message = (error as? MappingError)?.message ?? ""
            return message.contains("librados of this program does not know") || message.contains("refuses it")
        }
        // Its record stays until somebody unmaps, as NodeUnstageVolume does.
        try lab.imageMappers().unmap(lab.address("newkey"), monitors: lab.mapRequest("newkey").monitors)
        #expect(try lab.remains("newkey") == [])
    }

    @Test("krbd: the port of the old messenger is told from the new one's, whatever the list calls it")
    func oldPort() throws {
        let lab = try NodeLab.kernel("old", megabytes: 16)
        let new = try #require(MonitorPort(lab.monitors.first ?? ""))
        let old = "v2:\(new.host):\(new.port + 1)"
        let error = try refusal(lab, lab.mapRequest("old", monitors: [old], mapOptions: "krbd:ms_mode=secure"))
        #expect(error.kind == .invalid && error.message.contains("speaks v1"), "\(error)")
        // Left to itself it takes what is spoken there.
        _ = try lab.map(lab.mapRequest("old", monitors: [old]))
        try lab.unmap("old")
        _ = try lab.map(
            lab.mapRequest("old", monitors: [old, "\(new.host):\(new.port)"], mapOptions: "ms_mode=secure")
        )
        try lab.unmap("old")
        #expect(try lab.remains("old") == [])
    }

    private struct MonitorPort {
        let host: String
        let port: Int

        init?(_ monitor: String) {
            let parts = monitor.split(separator: ":")
            guard parts.count == 3, let port = Int(parts[2]) else { return nil }
            (host, self.port) = (String(parts[1]), port)
        }
    }

    @Test("krbd: who holds a device is named: a process, a mount elsewhere, device-mapper")
    func holders() async throws {
        let lab = try NodeLab.kernel("held", megabytes: 64)
        let device = try lab.map(lab.mapRequest("held"))
        func refusal() throws -> String {
            do {
                try lab.impatientMapper().unmap(lab.address("held")) { _, _ in }
            } catch {
                #expect(error.kind == .inUse)
                return error.message
            }
            return "unmapped"
        }
        let sleeper = try await shell(
            """
            sleep 100 < \(device.path) > /dev/null 2>&1 & echo $!
            while [ "$(readlink /proc/$!/fd/0)" != \(device.path) ] || ! grep -q sleep /proc/$!/comm; do sleep 0.05; done
            """
        ).filter(\.isNumber)
        #expect(try refusal().contains("open in process \(sleeper) (sleep)"))
        try await shell("kill \(sleeper)")

        try await shell("echo 0 1024 linear \(device.path) 0 | dmsetup create nacre-held")
        #expect(try refusal().contains("device-mapper 'nacre-held' (dm-"))
        try await shell("dmsetup remove nacre-held")

        try await shell("mkfs.ext4 -q \(device.path)")
        let other = try await shell(
            """
            unshare -m --propagation private sh -c 'mount \(device.path) /mnt && exec sleep 100' > /dev/null 2>&1 & echo $!; \
            while ! grep -q rbd /proc/$!/mountinfo; do sleep 0.05; done
            """
        ).filter(\.isNumber)
        #expect(try refusal().contains("mounted at '/mnt' in the mount namespace of process \(other)"))
        try await shell("kill \(other); while [ -e /proc/\(other) ]; do sleep 0.05; done")
        // The kernel takes a namespace's mounts away some time after its last process.
        var last = try refusal()
        for _ in 0..<100 where last != "unmapped" {
            try await Task.sleep(for: .milliseconds(300))
            last = try refusal()
        }
        #expect(last == "unmapped")
        #expect(try lab.remains("held") == [])
    }

    @Test("krbd: what somebody else mapped here is neither taken nor removed")
    func foreignMapping() async throws {
        let lab = try NodeLab.kernel("foreign", megabytes: 16)
        let monitor = (lab.monitors.first ?? "").dropFirst(3)
        let key = lab.credentials.userKey.withBytes { String(decoding: $0, as: UTF8.self) }
        let line = "\(monitor) name=csi-rbd-node,secret=\(key),ms_mode=prefer-crc rbd foreign -"
        try KernelFile.write(line, to: "/sys/bus/rbd/add_single_major")
        let error = try refusal(lab, lab.mapRequest("foreign"))
        #expect(error.kind == .inUse && error.message.contains("rbd unmap /dev/rbd"), "\(error)")
        #expect(!error.message.contains(key))
        let number = try #require(try KernelFile.names(in: "/sys/bus/rbd/devices").first)
        try KernelFile.write(number, to: "/sys/bus/rbd/remove_single_major")
        #expect(try lab.remains("foreign") == [])
    }
}
