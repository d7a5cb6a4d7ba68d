import Foundation
import Secrets
import TestSupport
import Testing
import Volumes

@testable import Backups

/// Which backups are kept, and where they lie.
@Suite("Places of backups")
struct PlaceTests {
    @Test("The last ones are kept, and the last of each day, week and month")
    func retention() throws {
        // Sunday, 2026-11-01, to Monday, 2026-11-30.
        let all = (1...30).flatMap { day in
            ["03", "21"].map { hour in
                (id: "\(day)-\(hour)", created: "2026-11-\(day < 10 ? "0" : "")\(day)T\(hour):00:00.000000Z")
            }
        }
        func kept(_ retention: Retention) -> Set<String> { retention.kept(of: all.shuffled()) }
        #expect(kept(try Retention(last: 3)) == ["30-21", "30-03", "29-21"])
        #expect(kept(try Retention(daily: 2)) == ["30-21", "29-21"])
        #expect(kept(try Retention(weekly: 3)) == ["30-21", "29-21", "22-21"])
        #expect(kept(try Retention(monthly: 5)) == ["30-21"])
        #expect(kept(try Retention(last: 1, daily: 1, weekly: 2, monthly: 1)) == ["30-21", "29-21"])
        #expect(try Retention(daily: 1).kept(of: [("a", "no time")]) == ["a"])
        #expect(throws: VolumeError.self) { try Retention() }
        #expect(throws: VolumeError.self) { try Retention(last: -1, daily: 3) }
    }

    @Test("Places are read strictly")
    func names() throws {
        #expect(try DestinationName(parsing: "/srv/x") == .directory("/srv/x"))
        #expect(try DestinationName(parsing: "s3://bucket") == .bucket("bucket", prefix: ""))
        #expect(try DestinationName(parsing: "s3://bucket/a//b/") == .bucket("bucket", prefix: "a/b/"))
        for text in ["", "s3://", "s3://b", "s3://bucket/..", "s3://bucket/ü", "https://host/x", "s3://Büro"] {
            #expect(throws: VolumeError.self, "\(text)") { try DestinationName(parsing: text) }
        }
        let key = Secret("k")
        for endpoint in ["host", "ftp://host", "https://", "https://host/path", "https://user@host"] {
            #expect(throws: VolumeError.self, "\(endpoint)") {
                try S3Account(endpoint: endpoint, region: "us-east-1", accessKey: key, secretKey: key)
            }
        }
    }

    @Test("Names become keys of plain characters, each its own")
    func keys() throws {
        let keys = BackupKeys(try VolumeID(clusterID: "a b", pool: "p~", namespace: "", image: "..."))
        #expect(keys.volume == "a~20b/p~7e/~/~2e~2e~2e")
        #expect(keys.chunk(Digest(of: [])).hasPrefix("data/\(keys.volume)/chunks/e3/e3b0c442"))
    }

    @Test("A directory keeps objects whole, lists and removes them, and has one owner at a time")
    func directory() async throws {
        let path = "/tmp/nacre-b\(UInt32.random(in: 0...UInt32.max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        await #expect {
            _ = try await DirectoryDestination(path)
        } throws: {
            "\($0)".contains("cannot open backup directory '\(path)': there is none")
                && "\($0)".contains("make the directory")
        }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let place: any BackupDestination = try await DirectoryDestination(path)
        #expect(try await place.bytes(of: "a/b/c") == nil)
        try await place.put([1, 2, 3], as: "a/b/c")
        try await place.put([4], as: "a/b/c")
        try await place.put([5], as: "a/d")
        #expect(try await place.bytes(of: "a/b/c") == [4])
        #expect(Set(try await place.keys(below: "a/")) == ["a/b/c", "a/d"])
        #expect(try await place.keys(below: "z/") == [])
        let lock = try await place.lock("a/lock", for: "one") { _ in }
        await #expect {
            _ = try await place.lock("a/lock", for: "two") { _ in }
        } throws: {
            ($0 as? VolumeError)?.code == .aborted && "\($0)".contains(": one;")
        }
        await lock.release()
        let next = try await place.lock("a/lock", for: "two") { _ in }
        await next.release()
        try await place.remove("a/b/c")
        try await place.remove("a/b/c")
        #expect(try await place.bytes(of: "a/b/c") == nil)
        // What comes to the same name later is another directory.
        try FileManager.default.moveItem(atPath: path, toPath: "\(path).away")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try await place.put([6], as: "a/e")
        #expect(!FileManager.default.fileExists(atPath: "\(path)/a"))
        try FileManager.default.removeItem(atPath: "\(path).away")
        await #expect {
            try await place.put([7], as: "f/g")
        } throws: {
            "\($0)".contains("cannot write 'f/g' to backup directory '\(path)'") && "\($0)".contains("goes on")
        }
    }

    private func bucket(_ server: ScriptedServer) throws -> S3Destination {
        let account = try S3Account(
            endpoint: server.url,
            region: "us-east-1",
            accessKey: Secret("a"),
            secretKey: Secret("b")
        )
        return try S3Destination(account, bucket: "bucket", prefix: "x/")
    }

    @Test("A key that cannot be signed as it is is refused at once")
    func unsignable() async throws {
        let server = try ScriptedServer { _, connection in connection.answer(200, "") }
        let place = try bucket(server)
        await #expect {
            try await place.put([1], as: "a/../b")
        } throws: {
            ($0 as? VolumeError)?.code == .internal && "\($0)".contains("'.' or '..'")
        }
        #expect(server.requests.isEmpty)
    }

    @Test("What somebody else put into the bucket is not listed, also at the end of a page")
    func strangers() async throws {
        @Sendable func page(_ keys: [String], isTruncated: Bool) -> String {
            let keys = keys.map { "<Contents><Key>x/\($0)</Key></Contents>" }.joined()
            return "<ListBucketResult>\(keys)<IsTruncated>\(isTruncated)</IsTruncated></ListBucketResult>"
        }
        let server = try ScriptedServer { request, connection in
            let isNext = request.target.contains("start-after=x%2Fdata%2Fb%20c")
            connection.answer(
                200,
                isNext
                    ? page(["data/~2e~2e/d.json"], isTruncated: false)
                    : page(["data/../a", "data//a", "data/a", "data/b c"], isTruncated: true)
            )
        }
        #expect(try await bucket(server).keys(below: "data/") == ["data/a", "data/~2e~2e/d.json"])
        #expect(server.requests.count == 2)
    }

    @Test("What an S3 server lists is read")
    func lists() {
        let document = "<A><Key>a/b</Key><Key>a/c</Key><IsTruncated>true</IsTruncated></A>"
        #expect(S3Client.texts("Key", in: Array(document.utf8)) == ["a/b", "a/c"])
        #expect(S3Client.texts("IsTruncated", in: Array(document.utf8)) == ["true"])
        #expect(S3Client.texts("Key", in: Array("<Key>a".utf8)) == [])
    }
}
