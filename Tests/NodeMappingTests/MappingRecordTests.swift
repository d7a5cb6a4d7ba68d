import FoundationEssentials
import Glibc
import LinuxKernel
import Testing

@testable import ImageMapping
@testable import KernelMapping

@Suite("The record of a mapping")
struct MappingRecordTests {
    private let directory = MappingDirectory(path: "/tmp/nacre-record-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
    private let identity = ImageIdentity(poolID: 7, imageID: "5e2a91c0b7d1")

    @Test("A record of an earlier release does not know its image, and learns it once")
    func earlier() throws {
        try KernelFile.makeDirectories(directory.path)
        // As releases up to 1.0 wrote it.
        let text = """
            {"image":{"clusterID":"c","name":"i","namespace":"","pool":"p"},"mapper":"nbd","sharing":"readers","version":1}
            """
        try KernelFile.replace(directory.record, with: Array(text.utf8))
        #expect(try #require(MappingRecord.read(directory)).identity == nil)
        try MappingRecord.note(identity, in: directory)
        try MappingRecord.note(ImageIdentity(poolID: 8, imageID: "other"), in: directory)
        let record = try #require(MappingRecord.read(directory))
        #expect(record.identity == identity)
        #expect(record.mapper == .nbd && record.sharing == .readers && record.image.name == "i")
        try directory.remove()
        try MappingRecord.note(identity, in: directory)
        #expect(try FileKind.of(directory.path) == nil)
    }

    @Test(
        "A record of the kernel's mapper is read by every mapper, and so is one of a release that wrote the image into it"
    )
    func kernel() throws {
        for identity in ["", #""identity":{"poolID":7,"imageID":"5e2a91c0b7d1"},"#] {
            let text = """
                {"hosts":["10.0.0.1:3300"],"image":{"clusterID":"c","name":"i","namespace":"","pool":"p"},"isForced":true,
                \(identity)"mapper":"krbd","sharing":"oneNode","version":1}
                """
            let record = try JSONDecoder().decode(KernelRBDRecord.self, from: Data(text.utf8))
            #expect(record.isForced && record.hosts == ["10.0.0.1:3300"])
            let common = try JSONDecoder().decode(MappingRecord.self, from: JSONEncoder().encode(record))
            #expect(common.mapper == .krbd && common.image.name == "i")
        }
    }

    @Test("What became of a name is told with both images, and only of an image that has lost it")
    func words() {
        let image = ImageAddress(clusterID: "c", pool: "p", namespace: "", name: "i")
        #expect(ImageWhereabouts(mapped: identity, named: identity).change(of: image) == nil)
        // A pool that was made anew under its name.
        let other = ImageIdentity(poolID: 8, imageID: identity.imageID)
        let anew = ImageWhereabouts(mapped: identity, named: other)
        #expect(anew.change(of: image)?.contains("\(identity)") == true)
        #expect(anew.change(of: image)?.contains("\(other)") == true)
        let renamed = ImageWhereabouts(mapped: identity, named: nil, presentName: "p/broken")
        #expect(renamed.change(of: image)?.contains("'p/broken'") == true)
        #expect { try renamed.refuseChange("map it", of: image) } throws: { ($0 as? MappingError)?.kind == .replaced }
    }
}
