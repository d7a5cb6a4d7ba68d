internal import Curl
internal import ExactText
public import Secrets
public import Volumes

/// A server that speaks S3, and the keys of a user there.
public struct S3Account: Sendable {
    /// `https://s3.example.com`, with a port where it is not the usual one; the bucket comes in the path.
    public var endpoint: String
    /// The region that signatures are for: `us-east-1`.
    public var region: String
    /// The certificate authorities that are trusted, as PEM; `nil` for the system's.
    public var authorities: [UInt8]?
    let accessKey: Secret
    let secretKey: Secret

    /// Puts an account together.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` for an endpoint or region that cannot be one.
    public init(
        endpoint: String,
        region: String,
        authorities: [UInt8]? = nil,
        accessKey: Secret,
        secretKey: Secret
    ) throws(VolumeError) {
        let text = endpoint.endsExactly(with: "/") ? String(endpoint.dropLast()) : endpoint
        guard let host = text.behind("https://") ?? text.behind("http://"), !host.isEmpty,
            !host.utf8.contains(where: {
                [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "@")].contains($0) || $0 <= 32
            })
        else {
            throw .invalid(
                "'\(endpoint.printable)' is no S3 endpoint; write https:// or http://, a host, and a port where it needs one"
            )
        }
        guard !region.isEmpty,
            region.utf8.allSatisfy({ byte in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                    || byte == UInt8(ascii: "-")
            })
        else { throw .invalid("'\(region.printable)' is no S3 region; write such as us-east-1") }
        guard !accessKey.isEmpty, !secretKey.isEmpty else { throw .invalid("a key of the S3 user is empty") }
        self.endpoint = text
        self.region = region
        self.authorities = authorities
        self.accessKey = accessKey
        self.secretKey = secretKey
    }

    var signer: RequestSigner {
        RequestSigner(region: region, service: "s3", accessKey: accessKey, secretKey: secretKey)
    }
}
