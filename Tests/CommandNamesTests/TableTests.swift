import CommandNames
import Testing

@Suite("Tables")
struct TableTests {
    @Test("A table's columns are as wide as their widest cell, and lines end without spaces")
    func table() {
        var table = Table("ID", "SIZE", "IMAGE")
        table.rows = [["a/b//c", "1 GiB", "b/c"], ["x", "1000 bytes", "y"]]
        #expect(
            table.lines() == [
                "ID      SIZE        IMAGE",
                "a/b//c  1 GiB       b/c",
                "x       1000 bytes  y",
            ]
        )
    }

    @Test("A cell stays in its line, whatever it repeats")
    func oddCell() {
        var table = Table("NAME", "SIZE")
        table.rows = [["a\nb\u{202E}", "1"]]
        #expect(table.text == "NAME  SIZE\na?b?  1")
    }
}
