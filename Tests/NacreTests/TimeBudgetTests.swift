import Testing
import Volumes

@testable import nacre

/// How the time of a command is shared by its steps.
@Suite("The time that a command may take")
struct TimeBudgetTests {
    @Test("Steps share it; what is asked beside the work gets a part; a person's time does not count")
    func shares() async throws {
        let budget = TimeBudget(.seconds(8))
        let end = budget.deadline
        #expect(end <= .now + .seconds(8) && end > .now + .seconds(7))
        #expect(budget.share(.seconds(3)) <= .now + .seconds(2))
        #expect(budget.share(.milliseconds(10)) <= .now + .milliseconds(10))
        #expect(budget.rest(.seconds(60)) == end)
        await budget.pausing { try? await Task.sleep(for: .milliseconds(200)) }
        #expect(budget.deadline >= end + .milliseconds(200))
        let spent = TimeBudget(.zero)
        #expect(spent.share(.seconds(3)) <= .now && spent.rest(.seconds(3)) <= .now)
        spent.renew()
        #expect(spent.deadline <= .now)
    }

    @Test("What knows no deadline is left behind half a second after it, and what ends in time says what it found")
    func leavesBehind() async throws {
        let start = ContinuousClock.now
        await #expect {
            try await answered(by: start + .milliseconds(100)) { try await Task.sleep(for: .seconds(3600)) }
        } throws: { error in
            (error as? VolumeError)?.code == .deadlineExceeded
        }
        // The other tests of this process may keep its two threads for a while.
        #expect(.now - start < .seconds(600))
        #expect(try await answered(by: .now + .seconds(600)) { 7 } == 7)
        await #expect(throws: VolumeError.self) {
            try await answered(by: .now + .seconds(600)) { throw VolumeError(.notFound, "it is gone") }
        }
    }
}
