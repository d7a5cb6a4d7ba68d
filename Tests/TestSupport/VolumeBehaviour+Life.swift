import Testing
import Volumes

extension VolumeBehaviour {
    static let creating: [VolumeBehaviour] = [
        VolumeBehaviour("a volume has the size asked for, rounded up to whole MiB") { bench in
            let volume = try await bench.create(bench.request("odd", required: (64 << 20) + 1))
            #expect(volume.capacityBytes == 65 << 20)
            #expect(volume.id.image.hasPrefix("csi-vol-"))
            #expect(volume.context["imageName"] == volume.id.image)
        },
        VolumeBehaviour("a volume without a size has 1 GiB") { bench in
            let volume = try await bench.create(bench.request("default", required: 0))
            #expect(volume.capacityBytes == 1 << 30)
        },
        VolumeBehaviour("a repeat gives the same volume, ten times over") { bench in
            let request = try bench.request("again")
            let first = try await bench.create(request)
            for _ in 0..<10 {
                let again = try await bench.create(request)
                #expect(again == first)
            }
        },
        VolumeBehaviour("twenty callers at once get one volume") { bench in
            let request = try bench.request("crowd")
            let ids = try await withThrowingTaskGroup(of: VolumeID.self) { group in
                for _ in 0..<20 { group.addTask { try await bench.create(request).id } }
                return try await group.reduce(into: Set<VolumeID>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
        },
        VolumeBehaviour("the same name with a larger size is refused") { bench in
            _ = try await bench.create(bench.request("size"))
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(bench.request("size", required: 128 << 20))
            }
        },
        VolumeBehaviour("the same name with a limit below its size is refused") { bench in
            _ = try await bench.create(bench.request("limit"))
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(bench.request("limit", required: 1 << 20, limit: 32 << 20))
            }
        },
        VolumeBehaviour("the same name with other features is refused") { bench in
            _ = try await bench.create(bench.request("features", adding: ["imageFeatures": "layering"]))
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(
                    bench.request("features", adding: ["imageFeatures": "layering,exclusive-lock"])
                )
            }
        },
        VolumeBehaviour("the same name for another file system, or for a raw device, is refused") { bench in
            let uses: [(String, VolumeCapability.Access)] = [
                ("ext4", .mount(MountAccess(fsType: "ext4"))), ("xfs", .mount(MountAccess(fsType: "xfs"))),
                ("block", .block),
            ]
            for (name, access) in uses {
                let capability = VolumeCapability(access, mode: .singleNodeWriter)
                let request = try bench.request("use-\(name)", required: 1 << 30, capability: capability)
                let volume = try await bench.create(request)
                #expect(try await bench.create(request) == volume)
                for (other, access) in uses where other != name {
                    let capability = VolumeCapability(access, mode: .singleNodeWriter)
                    await bench.expect(.alreadyExists) {
                        _ = try await bench.create(
                            bench.request("use-\(name)", required: 1 << 30, capability: capability)
                        )
                    }
                }
            }
        },
        VolumeBehaviour("a repeated create that asks for something else is refused, and changes nothing") { bench in
            let given = ["trashRetention": "7d", "mkfsOptions": "-m1", "poolSizeFactor": "3"]
            let xfs = VolumeCapability(.mount(MountAccess(fsType: "xfs")), mode: .singleNodeWriter)
            for (name, made, others) in [
                (
                    "given", given,
                    [["mkfsOptions": "-m2"], ["mkfsOptions": nil], ["mounter": "rbd-nbd"]]
                ),
                ("none", [:], [["mkfsOptions": "-m2"]]),
            ] as [(String, [String: String], [[String: String?]])] {
                let request = try bench.request("again-\(name)", adding: made)
                let volume = try await bench.create(request)
                let before = try await bench.metadata(volume.id)
                for other in others {
                    var adding = made
                    for (key, value) in other { adding[key] = value }
                    await bench.expect(.alreadyExists) {
                        _ = try await bench.create(bench.request("again-\(name)", adding: adding))
                    }
                }
                // Options of ext4 are none of xfs.
                let taken = made.filter { $0.key != "mkfsOptions" }
                await bench.expect(.alreadyExists) {
                    _ = try await bench.create(
                        bench.request("again-\(name)", required: 300 << 20, adding: taken, capability: xfs)
                    )
                }
                #expect(try await bench.create(request) == volume)
                #expect(try await bench.metadata(volume.id) == before)
            }
        },
        VolumeBehaviour(
            "a repeated create keeps the retention and the size factor of the image, whoever set them, and says which"
        ) { bench in
            for (name, made) in [("given", ["trashRetention": "604800", "poolSizeFactor": "3"]), ("none", [:])] {
                let request = try bench.request("own-\(name)", adding: made)
                let volume = try await bench.create(request)
                let before = try await bench.metadata(volume.id)
                for other in [
                    ["trashRetention": "0"], ["trashRetention": "7d"], ["poolSizeFactor": "0"],
                    ["trashRetention": "1d", "poolSizeFactor": "9"], [:],
                ] {
                    let found = try await bench.create(bench.request("own-\(name)", adding: other))
                    #expect(found.id == volume.id)
                    let kept = made["trashRetention"].map { _ in "7d" }
                    #expect(
                        found.context["trashRetention"] == kept
                            && found.context["poolSizeFactor"] == made["poolSizeFactor"]
                    )
                    #expect(try await bench.metadata(volume.id) == before)
                }
                #expect(try await bench.create(request) == volume)
            }
        },
        VolumeBehaviour("a file system that was left open stays so, whatever a repeated create names") { bench in
            let volume = try await bench.create(bench.request("open", required: 1 << 30))
            let before = try await bench.metadata(volume.id)
            for (name, isTaken) in [("ext4", true), ("xfs", false)] {
                let capability = VolumeCapability(.mount(MountAccess(fsType: name)), mode: .singleNodeWriter)
                let request = try bench.request("open", required: 1 << 30, capability: capability)
                if isTaken {
                    #expect(try await bench.create(request) == volume)
                } else {
                    await bench.expect(.alreadyExists) { _ = try await bench.create(request) }
                }
                #expect(try await bench.metadata(volume.id) == before)
            }
        },
        VolumeBehaviour("two names that lead to one image are two volumes: the second is refused") { bench in
            let request = try bench.request("orders")
            let volume = try await bench.create(request)
            var other = request
            other.name = "pvc-\(volume.id.image.suffix(36))"
            await #expect {
                _ = try await bench.create(other)
            } throws: {
                ($0 as? VolumeError)?.code == .alreadyExists && "\($0)".contains("'\(request.name)'")
            }
            #expect(try await bench.metadata(volume.id)[ImageMetadataKey.requestName] == request.name)
        },
        VolumeBehaviour(
            "a size that its pool is far from is refused with the largest that works, unless the class lifts it"
        ) { bench in
            let absurd: Int64 = 500 << 40
            for (adding, code) in [([:], "poolSizeFactor"), (["imageFeatures": "layering"], "poolSizeFactor")] {
                await #expect {
                    _ = try await bench.create(bench.request("absurd", required: absurd, adding: adding))
                } throws: {
                    ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains(code)
                }
            }
            // An object map has its own limit.
            await bench.expect(.outOfRange) {
                _ = try await bench.create(bench.request("map", required: 1 << 50, adding: ["poolSizeFactor": "0"]))
            }
            let lifted = ["poolSizeFactor": "0", "imageFeatures": "layering", "objectSize": "33554432"]
            let volume = try await bench.create(bench.request("lifted", required: 1 << 40, adding: lifted))
            #expect(volume.capacityBytes == 1 << 40)
            #expect(try await bench.expand(volume.id, 2 << 40).capacityBytes == 2 << 40)
            let small = try await bench.create(bench.request("small", adding: ["imageFeatures": "layering"]))
            await bench.expect(.outOfRange) { _ = try await bench.expand(small.id, absurd) }
            #expect(try await bench.expand(small.id, 128 << 20).capacityBytes == 128 << 20)
        },
        VolumeBehaviour("a volume grows no further than the factor of its class lets one be made") { bench in
            let low = ["poolSizeFactor": "1", "imageFeatures": "layering"]
            let room = try await bench.service.capacity(
                parameters: bench.parameters.merging(low) { $1 },
                capabilities: [],
                credentials: bench.credentials,
                deadline: bench.deadline
            )
            // A pool of the real cluster grows and shrinks by what others have on its OSDs.
            let beyond = Int64(room.largestVolumeBytes) * 3
            await bench.expect(.outOfRange) {
                _ = try await bench.create(bench.request("beyond", required: beyond, adding: low))
            }
            let volume = try await bench.create(bench.request("low", adding: low))
            await bench.expect(.outOfRange) { _ = try await bench.expand(volume.id, beyond) }
            #expect(try await bench.expand(volume.id, 128 << 20).capacityBytes == 128 << 20)
        },
        VolumeBehaviour("a file system that takes more than is asked for gets it within the limit") { bench in
            let xfs = VolumeCapability(.mount(MountAccess(fsType: "xfs")), mode: .singleNodeWriter)
            let volume = try await bench.create(bench.request("least", required: 1 << 20, capability: xfs))
            #expect(volume.capacityBytes == 300 << 20)
            await bench.expect(.outOfRange) {
                _ = try await bench.create(
                    bench.request("less", required: 1 << 20, limit: 200 << 20, capability: xfs)
                )
            }
            await bench.expect(.invalidArgument) {
                _ = try await bench.create(
                    bench.request("options", required: 1 << 30, adding: ["mkfsOptions": "-p f"], capability: xfs)
                )
            }
        },
        VolumeBehaviour("mount options that a node refuses, or that harm a volume, are refused for a new volume") {
            bench in
            for flags in [
                ["errors=panic"], ["bogus"], ["usrjquota=/etc/shadow"], ["noload", "nobarrier"], ["noatime,sb=1"],
            ] {
                let access = MountAccess(fsType: "ext4", mountFlags: flags)
                let capability = VolumeCapability(.mount(access), mode: .singleNodeWriter)
                await bench.expect(.invalidArgument) {
                    _ = try await bench.create(bench.request("flags", capability: capability))
                }
            }
            let good = VolumeCapability(.mount(MountAccess(mountFlags: ["noatime"])), mode: .singleNodeWriter)
            let volume = try await bench.create(bench.request("flags", capability: good))
            // What an earlier release made stays usable.
            let old = VolumeCapability(.mount(MountAccess(mountFlags: ["nobarrier"])), mode: .singleNodeWriter)
            #expect(try await bench.create(bench.request("flags", capability: old)) == volume)
        },
        VolumeBehaviour("of several limits the least is named") { bench in
            let ext4 = VolumeCapability(.mount(MountAccess(fsType: "ext4")), mode: .singleNodeWriter)
            do {
                let request = try bench.request(
                    "huge",
                    required: 1 << 50,
                    adding: ["poolSizeFactor": "0"],
                    capability: ext4
                )
                _ = try await bench.create(request)
                Issue.record("a volume of 1 PiB was made")
            } catch let error as VolumeError {
                #expect(error.code == .outOfRange && error.message.contains("128 TiB"), "\(error)")
            }
        },
        VolumeBehaviour("object size and stripes are as asked, and a repeat finds them so") { bench in
            let layout = ["objectSize": "1048576", "stripeUnit": "65536", "stripeCount": "4"]
            let first = try await bench.create(bench.request("stripes", adding: layout))
            let again = try await bench.create(bench.request("stripes", adding: layout))
            #expect(again == first)
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(bench.request("stripes", adding: ["objectSize": "2097152"]))
            }
        },
        VolumeBehaviour("a name of 128 bytes works, one of 129 is refused") { bench in
            let name = String(repeating: "n", count: 127 - bench.prefix.utf8.count)
            _ = try await bench.create(bench.request(name))
            await bench.expect(.invalidArgument) { _ = try await bench.create(bench.request(name + "n")) }
        },
        VolumeBehaviour("a name of pvc-UUID gives an image of that UUID") { bench in
            var request = try bench.request("uuid")
            let uuid = "0a1b2c3d-0000-4000-8000-\(bench.prefix.suffix(4))00000000"
            request.name = "pvc-\(uuid)"
            let volume = try await bench.create(request)
            #expect(volume.id.image == "csi-vol-\(uuid)")
        },
        VolumeBehaviour("an unknown pool or cluster is the caller's mistake") { bench in
            await bench.expect(.invalidArgument) {
                _ = try await bench.create(bench.request("cluster", adding: ["clusterID": "nowhere"]))
            }
        },
        VolumeBehaviour("a file system on many writing nodes is refused, a raw device is not") { bench in
            await bench.expect(.invalidArgument) {
                _ = try await bench.create(
                    bench.request(
                        "rwx",
                        capability: VolumeCapability(.mount(MountAccess()), mode: .multiNodeMultiWriter)
                    )
                )
            }
            _ = try await bench.create(
                bench.request("raw", capability: VolumeCapability(.block, mode: .multiNodeMultiWriter))
            )
        },
    ]

    static let deleting: [VolumeBehaviour] = [
        VolumeBehaviour("a deleted volume is gone, and deleting it again succeeds") { bench in
            let volume = try await bench.create(bench.request("gone"))
            for _ in 0..<3 { try await bench.delete(volume.id.description) }
            await bench.expect(.notFound) {
                _ = try await bench.service.status(of: volume.id.description, deadline: bench.deadline)
            }
        },
        VolumeBehaviour("a deleted volume's name can be used again") { bench in
            let first = try await bench.create(bench.request("reuse"))
            try await bench.delete(first.id.description)
            let second = try await bench.create(bench.request("reuse", required: 128 << 20))
            #expect(second.id == first.id && second.capacityBytes == 128 << 20)
        },
        VolumeBehaviour("what is no handle of ours is deleted already") { bench in
            for handle in ["nonsense", "a/b/c", "a/b/c/d/e", "../../etc/passwd", String(repeating: "x", count: 300)] {
                try await bench.delete(handle)
            }
        },
        VolumeBehaviour("an empty handle is refused") { bench in
            await bench.expect(.invalidArgument) { try await bench.delete("") }
        },
    ]
}
