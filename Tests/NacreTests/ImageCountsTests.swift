import ImageIO
import RBD
import Testing

@testable import ServiceProcess

@Suite("Counters of image servers, summed over images that come and go")
struct ImageCountsTests {
    private func said(_ reads: UInt64) -> IOStatistics {
        var statistics = IOStatistics()
        statistics.reads = reads
        return statistics
    }

    @Test("What was done before the first look counts for nothing, and what an image did stays when it goes")
    func images() {
        var counts = ImageCounts()
        #expect(counts.add(["a": said(1000)]).reads == 0)
        #expect(counts.add(["a": said(1010), "b": said(5)]).reads == 15)
        #expect(counts.add(["b": said(6)]).reads == 16)
        #expect(counts.add([:]).reads == 16)
        #expect(counts.add(["a": said(3)]).reads == 19)
    }

    @Test(
        "An image that is mapped anew begins anew, and one that does not answer for a look loses nothing and adds nothing"
    )
    func pauses() {
        var counts = ImageCounts()
        _ = counts.add([:])
        #expect(counts.add(["a": said(100)]).reads == 100)
        #expect(counts.add(["a": IOStatistics?.none]).reads == 100)
        #expect(counts.add(["a": said(101)]).reads == 101)
        #expect(counts.add(["a": said(4)]).reads == 105)
    }
}
