/// The Container Storage Interface, version 1: its messages and the calls of its Identity, Controller and Node services.
///
/// Names are the spec's, in Swift's casing; the comment at each type says which message of the proto it is.
package enum CSI {}
