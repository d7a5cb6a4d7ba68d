import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("The nbd protocol")
struct NBDProtocolTests {
    private let write: [UInt8] = [
        0x25, 0x60, 0x95, 0x13, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0,
    ]

    @Test("A write with FUA is read as it was sent")
    func request() throws {
        let request = try #require(write.withUnsafeBytes { $0.baseAddress.flatMap(NBDProtocol.Request.init) })
        #expect(request.command == .write)
        #expect(request.isDurable)
        #expect(request.offset == 1 << 32)
        #expect(request.length == 4096)
        var reply = [UInt8](repeating: 0xFF, count: NBDProtocol.replyBytes)
        reply.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            NBDProtocol.putReply(base, handle: request.handle, errno: 5)
        }
        #expect(reply == [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("What does not begin with the magic number is no request")
    func noRequest() {
        let bytes = [UInt8](repeating: 0, count: NBDProtocol.requestBytes)
        #expect(bytes.withUnsafeBytes { $0.baseAddress.flatMap(NBDProtocol.Request.init) } == nil)
    }
}
