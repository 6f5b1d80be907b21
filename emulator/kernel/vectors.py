"""Vectors inside Numba: 64 lanes of a vector instruction, or 8 words of router bits, one LLVM vector at a time.

Generic LLVM IR, so that AVX-512, AVX2 and NEON all get their own code. A vector is read from and written to an
address (an int64, see `address`); a predicate over its 64 lanes is one uint64, bit i for lane i.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from .words import PLANES, WORD

# A function that only kernels call: nothing is compiled for calling it from Python.
inner = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
# One that becomes part of its callers before anything is compiled: for functions that mostly call others, as each
# level of calls is one more time that LLVM optimises all below it.
spliced = njit(nogil=True, inline="always")
_I64 = ir.IntType(64)
_I32 = ir.IntType(32)
_BITS = ir.VectorType(ir.IntType(1), WORD)


class Vector(types.Type):
    """A vector of signed integers of `bits` bits."""

    def __init__(self, bits: int, lanes: int = WORD):
        self.bits, self.lanes = bits, lanes
        super().__init__(name=f"Vector{bits}x{lanes}")

    @property
    def key(self) -> tuple[int, int]:
        return self.bits, self.lanes

    @property
    def llvm(self) -> ir.VectorType:
        return ir.VectorType(ir.IntType(self.bits), self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, vector.llvm)


V16, V32, V64 = Vector(16), Vector(32), Vector(64)
ROUTER = Vector(64, PLANES)
STREAMS = Vector(32, 16)  # random generators, one a lane of a core


def _splat(builder, scalar, kind: ir.VectorType):
    empty = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(empty, scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count))


def _pointer(builder, address, kind):
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def raw(typingctx, table):
    """A named tuple of arrays as one of bare pointers; numbers stay.

    Bare pointers have no reference counts and no bounds: half of the time to compile, and calls that cost nothing.
    They live only as long as the arrays, which the caller of the kernel holds.
    """

    def bare(kind):
        return types.CPointer(kind.dtype) if isinstance(kind, types.Array) else kind

    result = types.NamedTuple([bare(kind) for kind in table.types], table.instance_class)

    def codegen(context, builder, signature, args):
        parts = []
        for i, kind in enumerate(table.types):
            part = builder.extract_value(args[0], i)
            if isinstance(kind, types.Array):
                part = cgutils.create_struct_proxy(kind)(context, builder, part).data
            parts.append(part)
        return context.make_tuple(builder, result, parts)

    return result(table), codegen


@intrinsic
def behind(typingctx, pointer, count):
    """The pointer `count` elements on."""

    def codegen(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


@intrinsic
def address(typingctx, pointer):
    """The address that a bare pointer holds."""

    def codegen(context, builder, signature, args):
        return builder.ptrtoint(args[0], _I64)

    return types.int64(pointer), codegen


def _loader(vector: Vector, doc: str):
    def typed(typingctx, where):
        def codegen(context, builder, signature, args):
            return builder.load(_pointer(builder, args[0], vector.llvm), align=vector.bits // 8, typ=vector.llvm)

        return vector(types.int64), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


load16 = _loader(V16, "64 int16 from an address.")
load32 = _loader(V32, "64 int32 from an address.")


@intrinsic
def store(typingctx, where, value):
    """Write a vector to an address."""

    def codegen(context, builder, signature, args):
        vector = signature.args[1]
        builder.store(args[1], _pointer(builder, args[0], vector.llvm), align=vector.bits // 8)
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


def _splatter(vector: Vector, doc: str, scalar_type=types.int64):
    def typed(typingctx, scalar):
        def codegen(context, builder, signature, args):
            value = args[0]
            if vector.bits < 64:
                value = builder.trunc(value, ir.IntType(vector.bits))
            return _splat(builder, value, vector.llvm)

        return vector(scalar_type), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


splat32 = _splatter(V32, "An int64 in all 64 int32 lanes.")
load_streams = _loader(STREAMS, "16 int32 from an address.")
splat_streams = _splatter(STREAMS, "An int64 in all 16 int32 lanes.")
splat64 = _splatter(V64, "An int64 in all 64 int64 lanes.")
planes = _splatter(ROUTER, "A uint64 in all 8 planes.", types.uint64)
load_planes = _loader(ROUTER, "8 planes from an address.")


def _binary(operation: str, doc: str):
    def typed(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return getattr(builder, operation)(*args)

        return a(a, b), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


add = _binary("add", "Lane-wise a + b, wrapping.")
sub = _binary("sub", "Lane-wise a - b, wrapping.")
mul = _binary("mul", "Lane-wise a * b, wrapping.")
shl = _binary("shl", "Lane-wise a << b.")
ashr = _binary("ashr", "Lane-wise arithmetic a >> b.")
lshr = _binary("lshr", "Lane-wise logical a >> b.")
both = _binary("and_", "Lane-wise a & b.")
either = _binary("or_", "Lane-wise a | b.")
unlike = _binary("xor", "Lane-wise a ^ b.")


def _llvm_binary(name: str, doc: str):
    def typed(typingctx, a, b):
        def codegen(context, builder, signature, args):
            kind = signature.args[0].llvm
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind]), f"llvm.{name}.v64i{signature.args[0].bits}"
            )
            return builder.call(function, args)

        return a(a, b), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


add_sat = _llvm_binary("sadd.sat", "Lane-wise a + b, saturating at the width of a lane.")
sub_sat = _llvm_binary("ssub.sat", "Lane-wise a - b, saturating at the width of a lane.")
lesser = _llvm_binary("smin", "Lane-wise min(a, b).")
greater = _llvm_binary("smax", "Lane-wise max(a, b).")


def _compare(operator: str, doc: str):
    def typed(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return builder.bitcast(builder.icmp_signed(operator, *args), _I64)

        return types.uint64(a, b), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


at_least = _compare(">=", "The lanes in which a >= b.")
more = _compare(">", "The lanes in which a > b.")
equal = _compare("==", "The lanes in which a == b.")


@intrinsic
def choose(typingctx, lanes, a, b):
    """a in the chosen lanes, b in the others."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.bitcast(args[0], _BITS), args[1], args[2])

    return a(types.uint64, a, b), codegen


def _convert(operation: str, vector: Vector, doc: str):
    def typed(typingctx, a):
        def codegen(context, builder, signature, args):
            return getattr(builder, operation)(args[0], vector.llvm)

        return vector(a), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


widen32 = _convert("sext", V32, "Sign-extend the lanes to 32 bits.")
widen64 = _convert("sext", V64, "Sign-extend the lanes to 64 bits.")
narrow16 = _convert("trunc", V16, "The low 16 bits of each lane.")
narrow32 = _convert("trunc", V32, "The low 32 bits of each lane.")


def _bit_intrinsic(name: str, extra: list, doc: str):
    def typed(typingctx, word):
        def codegen(context, builder, signature, args):
            kinds = [_I64, *(ir.IntType(1) for _ in extra)]
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I64, kinds), f"llvm.{name}.i64")
            return builder.call(function, [args[0], *(ir.Constant(ir.IntType(1), e) for e in extra)])

        return types.int64(types.uint64), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


first_lane = _bit_intrinsic("cttz", [1], "The lowest lane of a predicate that is not empty.")
count_lanes = _bit_intrinsic("ctpop", [], "How many lanes a predicate has.")


@intrinsic
def prefetch(typingctx, where):
    """Ask for the cache line at an address, to read it soon."""

    def codegen(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32]), "llvm.prefetch.p0"
        )
        constants = [ir.Constant(_I32, v) for v in (0, 2, 1)]  # read, moderate locality, data
        builder.call(function, [builder.inttoptr(args[0], byte), *constants])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def copy(typingctx, to, source, count):
    """Copy bytes from an address to an address; they do not overlap."""

    def codegen(context, builder, signature, args):
        to, source = (_pointer(builder, args[i], ir.IntType(8)) for i in (0, 1))
        cgutils.raw_memcpy(builder, to, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def clear_bytes(typingctx, where, count):
    """Set bytes from an address on to zero."""

    def codegen(context, builder, signature, args):
        cgutils.memset(builder, _pointer(builder, args[0], ir.IntType(8)), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def load_word(typingctx, where):
    """A uint64 from an address: a predicate of 64 lanes."""

    def codegen(context, builder, signature, args):
        return builder.load(_pointer(builder, args[0], _I64), align=8, typ=_I64)

    return types.uint64(types.int64), codegen


@intrinsic
def store_word(typingctx, where, word):
    """Write a uint64 to an address."""

    def codegen(context, builder, signature, args):
        builder.store(args[1], _pointer(builder, args[0], _I64), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), codegen


load8 = _loader(Vector(8), "64 int8 from an address.")
widen16 = _convert("sext", V16, "Sign-extend the lanes to 16 bits.")
splat16 = _splatter(V16, "An int64 in all 64 int16 lanes.")


def _scalar_loader(bits: int, doc: str):
    def typed(typingctx, where):
        def codegen(context, builder, signature, args):
            kind = ir.IntType(bits)
            return builder.sext(builder.load(_pointer(builder, args[0], kind), align=bits // 8, typ=kind), _I64)

        return types.int64(types.int64), codegen

    typed.__doc__ = doc
    return intrinsic(typed)


peek8 = _scalar_loader(8, "One int8 from an address.")
peek16 = _scalar_loader(16, "One int16 from an address.")


@intrinsic
def plane(typingctx, value, i):
    """One of 8 planes, a uint64."""

    def codegen(context, builder, signature, args):
        return builder.extract_element(args[0], args[1])

    return types.uint64(value, types.int64), codegen


@intrinsic
def planes_down(typingctx, value):
    """Plane i + 1 becomes plane i; the last one is empty."""

    def codegen(context, builder, signature, args):
        kind = signature.args[0].llvm
        order = ir.Constant(ir.VectorType(_I32, 8), [1, 2, 3, 4, 5, 6, 7, 8])
        return builder.shuffle_vector(args[0], ir.Constant(kind, None), order)

    return value(value), codegen


@inner
def pick(where, a, b):
    """a where the bits of `where` are set, else b."""
    return unlike(b, both(unlike(a, b), where))


@inner
def pick_word(where, a, b):
    return b ^ ((a ^ b) & where)
