// swift-tools-version: 6.3
// The house: one `door` (C), `room` (library) or program a line; arrows go to a lower storey only.
// Sources/README.md has the map; `--explicit-target-dependency-import-check error` keeps the arrows true.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Rooms that have no business with pointers.
let pointerFree = strict + [.strictMemorySafety()]

/// Rooms that read whole disks are optimised in debug builds too: their tests would wait for them most of the time.
let fast = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

func door(_ name: String, apt: String) -> Target {
    .systemLibrary(name: name, providers: [.apt([apt])])
}

func room(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    doorplate: [String] = [],
    settings: [SwiftSetting] = strict
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: doorplate, swiftSettings: settings)
}

/// The page of a room that has one, which is no source.
let doorplate = ["README.md"]

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let collections = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

// With --static-swift-stdlib a program needs no relocations, so 10 MiB less of it is resident; a program that is linked
// with the runtime's shared libraries does need them. tools/try and tools/bench ask for both.
let fixedAddress: [LinkerSetting] =
    Context.environment["NACRE_STATIC"] == nil ? [] : [.unsafeFlags(["-Xclang-linker", "-no-pie"])]

let package = Package(
    name: "nacre",
    products: [
        .executable(name: "nacre", targets: ["nacre"]),
        .executable(name: "nacre-flex", targets: ["nacre-flex"]),
        .executable(name: "nacre-disk", targets: ["nacre-disk"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // Storey 0: doors to C, and rooms that know nobody.
        door("CRados", apt: "librados-dev"),
        door("CRBD", apt: "librbd-dev"),
        door("CFuse", apt: "libfuse3-dev"),
        door("CCurl", apt: "libcurl4-openssl-dev"),
        door("CYAML", apt: "libyaml-dev"),
        door("CZstd", apt: "libzstd-dev"),
        .target(name: "CRadosWatchers", linkerSettings: [.linkedLibrary("rados")]),
        .target(name: "CLinux"),
        room("ExactText"),
        room("Blocking", [nioPosix]),
        room("Timestamps"),
        room("Secrets", ["ExactText"]),
        room("CommandNames", ["ExactText", argumentParser]),
        room("Volumes", ["Secrets", "ExactText", crypto], settings: pointerFree),
        room("JSON", ["ExactText", collections], settings: pointerFree),

        // Storey 1: one library or kernel each.
        room("RADOS", ["CRados", "CRadosWatchers", "CLinux", "Blocking", "Secrets", "ExactText", system]),
        room("Curl", ["CCurl", "Blocking", "Secrets", "ExactText"]),
        room("YAML", ["CYAML", "JSON", "ExactText", collections]),
        room("VolumeAPI", ["JSON", "Secrets", "ExactText", collections], settings: pointerFree),
        room("LinuxKernel", ["CLinux", "ExactText", system], settings: fast),

        // Storey 2
        room("VolumeClient", ["VolumeAPI", "JSON", "Curl", "Blocking"]),
        room(
            "KubernetesAPI",
            ["JSON", "YAML", "Curl", "Secrets", "Timestamps", "ExactText", collections],
            settings: pointerFree
        ),
        room("RBD", ["CRBD", "RADOS", "Blocking", "Timestamps", "ExactText", system]),
        room("BlockDevices", ["LinuxKernel", "ExactText", system], settings: fast),
        room("PlaceGate", ["CFuse", "LinuxKernel", "ExactText", system]),

        // Storey 3
        room(
            "CephVolumes",
            [
                "Volumes", "RBD", "RADOS", "LinuxKernel", "BlockDevices", "Blocking", "Secrets", "Timestamps",
                "ExactText",
                collections, logging, coreMetrics, system,
            ]
        ),
        room("DiskZap", ["BlockDevices", "LinuxKernel", "JSON", "ExactText", collections], settings: pointerFree),
        room("ImageIO", ["CRBD", "RBD", "RADOS", "LinuxKernel", system]),
        room("ImageMapping", ["LinuxKernel", "RBD", "RADOS", "Secrets", "ExactText", system]),

        room(
            "Provisioner",
            ["KubernetesAPI", "JSON", "Volumes", "Secrets", "ExactText", "Timestamps", coreMetrics, logging],
            doorplate: doorplate,
            settings: pointerFree
        ),

        // Storey 4: copies of images outside of Ceph.
        room(
            "Backups",
            [
                "CephVolumes", "Volumes", "RBD", "Curl", "JSON", "LinuxKernel", "Blocking", "Secrets", "Timestamps",
                "ExactText", "CZstd", collections, crypto, system,
            ]
        ),

        // Storey 4 to 7: an image as a block device.
        room(
            "KernelMapping",
            ["ImageMapping", "LinuxKernel", "RBD", "RADOS", "Blocking", "Secrets", "ExactText", logging, system]
        ),
        room(
            "ImageOwnership",
            [
                "KernelMapping", "ImageMapping", "LinuxKernel", "RBD", "RADOS", "Blocking", "Secrets", "ExactText",
                logging, system,
            ]
        ),
        room(
            "ImageServing",
            [
                "ImageOwnership", "KernelMapping", "ImageMapping", "ImageIO", "LinuxKernel", "RBD", "RADOS", "Blocking",
                "Secrets", "Timestamps", "ExactText", "CFuse", logging, system,
            ]
        ),
        room(
            "NodeMapping",
            [
                "ImageServing", "ImageOwnership", "KernelMapping", "ImageMapping", "LinuxKernel", "RBD", "Secrets",
                "ExactText", logging, system,
            ],
            doorplate: doorplate
        ),

        // Storey 8
        room(
            "NodeVolumes",
            [
                "Volumes", "NodeMapping", "ImageServing", "ImageOwnership", "KernelMapping", "ImageMapping",
                "BlockDevices", "LinuxKernel", "Blocking", "Secrets", "ExactText",
                logging, subprocess, system,
            ]
        ),

        // Storey 5
        room(
            "VolumeServer",
            [
                "VolumeAPI", "JSON", "Volumes", "Blocking", "Secrets", "Timestamps", "ExactText",
                collections, coreMetrics, httpTypes, hummingbirdCore, logging, nioCore, nioHTTP1, nioPosix,
                serviceLifecycle,
            ],
            doorplate: doorplate
        ),

        // Storey 9
        room(
            "ServiceProcess",
            [
                "VolumeServer", "Volumes", "CephVolumes", "NodeVolumes", "NodeMapping", "ImageServing",
                "ImageOwnership",
                "KernelMapping", "ImageMapping", "ImageIO", "LinuxKernel", "RBD", "Blocking", "ExactText",
                "KubernetesAPI", "Provisioner", "JSON", "Secrets", logging, serviceLifecycle,
            ]
        ),

        // Storey 10
        room(
            "Controller",
            [
                "ServiceProcess", "Provisioner", "KubernetesAPI", "VolumeServer", "CephVolumes", "Volumes",
                "LinuxKernel", "ExactText", logging, serviceLifecycle,
            ]
        ),

        room(
            "NodeAgent",
            [
                "ServiceProcess", "Provisioner", "KubernetesAPI", "VolumeServer", "CephVolumes", "NodeVolumes",
                "NodeMapping", "ImageOwnership", "PlaceGate", "Volumes", "LinuxKernel", "Blocking", "JSON", "Secrets",
                "Timestamps", "ExactText",
                collections, logging, nioCore, nioPosix, serviceLifecycle, subprocess, system, unixSignals,
            ],
            doorplate: doorplate
        ),

        // Storey 11: programs.
        .executableTarget(
            name: "nacre",
            dependencies: [
                "Controller", "NodeAgent", "ServiceProcess", "VolumeServer", "VolumeAPI", "Volumes", "CephVolumes",
                "Backups", "NodeVolumes", "NodeMapping", "ImageServing", "ImageOwnership", "KernelMapping",
                "ImageMapping",
                "ImageIO",
                "PlaceGate", "LinuxKernel", "RADOS", "RBD", "Blocking", "Secrets", "Curl", "VolumeClient", "JSON",
                "YAML",
                "KubernetesAPI", "Provisioner", "CommandNames", "Timestamps", "ExactText",
                argumentParser, collections, coreMetrics, crypto, logging, nioCore, nioPosix, serviceLifecycle,
                subprocess,
                system, unixSignals,
            ],
            swiftSettings: strict,
            linkerSettings: fixedAddress
        ),
        // kubelet runs it in a mount namespace that may have nothing of ours, not even Swift's libraries.
        .executableTarget(
            name: "nacre-flex",
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-static-executable", "-Xlinker", "--strip-all"])]
        ),

        // For rescue hosts: links neither Ceph nor curl, and released it needs no library at all.
        .executableTarget(
            name: "nacre-disk",
            dependencies: [
                "DiskZap", "BlockDevices", "LinuxKernel", "CommandNames", "JSON", "Secrets", "ExactText",
                argumentParser,
            ],
            exclude: doorplate,
            swiftSettings: strict,
            linkerSettings: [
                .unsafeFlags(["-static-executable", "-Xlinker", "--strip-all"], .when(configuration: .release))
            ]
        ),

        .target(
            name: "TestSupport",
            dependencies: ["Volumes", "Secrets", "RADOS", "RBD", "CephVolumes", "Blocking", "Curl", logging, system],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        .target(
            name: "NodeTestSupport",
            dependencies: [
                "NodeVolumes", "NodeMapping", "ImageServing", "ImageOwnership", "KernelMapping", "ImageMapping",
                "LinuxKernel", "Volumes", "Blocking", "Secrets", logging,
            ],
            path: "Tests/NodeTestSupport",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "NodeTestProcess",
            dependencies: [
                "NodeTestSupport", "NodeVolumes", "NodeMapping", "ImageServing", "ImageOwnership", "KernelMapping",
                "ImageMapping", "Volumes",
            ],
            path: "Tests/NodeTestProcess",
            swiftSettings: strict
        ),
        tests(
            "NodeTests",
            [
                "NodeTestSupport", "NodeTestProcess", "NodeVolumes", "NodeMapping", "ImageServing", "ImageOwnership",
                "KernelMapping", "ImageMapping", "PlaceGate", "LinuxKernel", "Blocking", "RBD", "RADOS",
                "Volumes", "TestSupport",
                "NodeAgent", "Provisioner", "ServiceProcess", "Secrets", "nacre", logging, subprocess, system,
            ]
        ),
        // Several nodes with networks and boots of their own, on a real Ceph; the program itself is started.
        tests(
            "RobustnessTests",
            ["TestSupport", "VolumeClient", "VolumeAPI", "Blocking", "Secrets", "nacre"],
            exclude: doorplate
        ),
        // In a guest of tools/kernel-lab, against a real Ceph.
        tests(
            "KernelTests",
            [
                "NodeTestSupport", "NodeTestProcess", "NodeVolumes", "NodeMapping", "ImageServing", "ImageOwnership",
                "KernelMapping", "ImageMapping", "LinuxKernel", "Volumes", "RBD",
                "RADOS", "Secrets", logging, subprocess, system,
            ]
        ),
        // Drives guests of tools/kernel-lab from outside: nodes that are frozen and killed.
        tests(
            "GuestTests",
            [
                "NodeTestSupport", "NodeMapping", "ImageServing", "ImageOwnership", "KernelMapping", "ImageMapping",
                "LinuxKernel", "RBD", "RADOS", "Secrets", subprocess, system,
            ]
        ),
        tests(
            "NodeMappingTests",
            [
                "NodeMapping", "ImageServing", "ImageIO", "ImageOwnership", "KernelMapping", "ImageMapping",
                "LinuxKernel", "RBD", "Secrets", logging, system,
            ]
        ),
        tests(
            "NacreTests",
            [
                "nacre", "ServiceProcess", "KubernetesAPI", "Provisioner", "JSON", "VolumeAPI", "Volumes",
                "Timestamps", "TestSupport",
                argumentParser,
            ]
        ),
        tests("NodeAgentTests", ["NodeAgent", "KubernetesAPI", "Provisioner", "JSON", "Volumes"]),
        tests("ImageIOTests", ["ImageIO", "CRBD", "LinuxKernel", system]),
        tests("VolumesTests", ["Volumes", "Secrets", "TestSupport"]),
        tests("JSONTests", ["JSON", "ExactText", collections]),
        tests("YAMLTests", ["YAML", "JSON", "ExactText", collections]),
        tests("VolumeAPITests", ["VolumeAPI", "JSON", "Secrets", collections]),
        tests("BackupsTests", ["Backups", "Curl", "Volumes", "Secrets", "TestSupport"]),
        tests("CurlTests", ["Curl", "Blocking", "Secrets", "TestSupport"]),
        tests("KubernetesAPITests", ["KubernetesAPI", "Curl", "JSON", "Secrets", "ExactText", "TestSupport"]),
        tests(
            "ProvisionerTests",
            ["Provisioner", "KubernetesAPI", "JSON", "Volumes", "Secrets", "ExactText", "TestSupport", logging]
        ),
        tests("SecretsTests", ["Secrets", "TestSupport"]),
        // What deploy/ says beside what the programs do.
        tests(
            "ManifestTests",
            [
                "nacre", "Controller", "ServiceProcess", "Provisioner", "KubernetesAPI", "VolumeServer", "VolumeAPI",
                "Volumes", "BlockDevices", "YAML",
                "JSON", "ExactText",
                "CommandNames", "TestSupport",
                argumentParser, logging,
            ],
            exclude: ["Recorded"]
        ),
        tests("ExactTextTests", ["ExactText"]),
        tests("TimestampsTests", ["Timestamps"]),
        tests("CommandNamesTests", ["CommandNames", argumentParser]),
        tests("LinuxKernelTests", ["LinuxKernel", "ExactText", system]),
        tests("BlockDevicesTests", ["BlockDevices", "LinuxKernel", system]),
        tests("DiskZapTests", ["DiskZap", "BlockDevices", "LinuxKernel", "JSON"]),
        // On loop devices, as root: tools/test disk.
        tests("DiskTests", ["DiskZap", "BlockDevices", "LinuxKernel", "TestSupport", "nacre", "nacre-disk"]),
        tests("CephVolumesTests", ["CephVolumes", "Volumes", "Secrets", "RADOS", "TestSupport", system]),
        tests(
            "VolumeServerTests",
            [
                "VolumeServer", "VolumeAPI", "JSON", "VolumeClient", "Volumes", "Blocking", "Curl", "Secrets",
                "TestSupport",
                coreMetrics, logging, serviceLifecycle,
            ]
        ),
        tests(
            "KubernetesTests",
            [
                "KubernetesAPI", "Provisioner", "JSON", "Secrets", "TestSupport", "CephVolumes", "Volumes", "nacre",
                logging,
            ]
        ),
        // Tests start the program itself, so it must be built with them.
        tests(
            "ClusterTests",
            [
                "TestSupport", "CephVolumes", "Volumes", "VolumeAPI", "VolumeServer", "RBD", "RADOS", "Blocking",
                "Backups", "Secrets", "Curl", "VolumeClient", "NodeVolumes", "NodeMapping", "ImageServing",
                "ImageOwnership",
                "KernelMapping", "ImageMapping", "LinuxKernel", "nacre",
                logging, system,
            ]
        ),
    ]
)

// What tools/test races builds with ThreadSanitizer: its tests, and what they need.
if let tests = Context.environment["NACRE_ONLY_TESTS"]?.split(separator: " ").map(String.init) {
    var needed = Set<String>()
    func need(_ name: String) {
        guard needed.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else {
            return
        }
        for case .byNameItem(let name, _) in target.dependencies { need(name) }
    }
    for test in tests { need(test) }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
}
