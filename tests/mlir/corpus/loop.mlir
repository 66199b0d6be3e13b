module {
  func.func @main(%arg0: !torch.vtensor<[3,2],f32>) -> !torch.vtensor<[3,2],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense<0> : tensor<si64>) : !torch.vtensor<[],si64>
    %none = torch.constant.none
    %1 = torch.aten.clone %0, %none : !torch.vtensor<[],si64>, !torch.none -> !torch.vtensor<[],si64>
    %2 = call @while_loop_cond_graph_0(%1, %arg0) : (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>) -> !torch.vtensor<[],i1>
    %3 = torch.aten.Bool.Tensor %2 : !torch.vtensor<[],i1> -> !torch.bool
    %int9223372036854775807 = torch.constant.int 9223372036854775807
    %4:2 = torch.prim.Loop %int9223372036854775807, %3, init(%1, %arg0) {
    ^bb0(%arg1: !torch.int, %arg2: !torch.vtensor<[],si64>, %arg3: !torch.vtensor<[3,2],f32>):
      %5:2 = func.call @while_loop_body_graph_0(%arg2, %arg3) : (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>) -> (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>)
      %6 = func.call @while_loop_cond_graph_0(%5#0, %5#1) : (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>) -> !torch.vtensor<[],i1>
      %7 = torch.aten.Bool.Tensor %6 : !torch.vtensor<[],i1> -> !torch.bool
      torch.prim.Loop.condition %7, iter(%5#0, %5#1 : !torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>)
    } : (!torch.int, !torch.bool, !torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>) -> (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>)
    return %4#1 : !torch.vtensor<[3,2],f32>
  }
  func.func private @while_loop_cond_graph_0(%arg0: !torch.vtensor<[],si64>, %arg1: !torch.vtensor<[3,2],f32>) -> !torch.vtensor<[],i1> {
    %0 = torch.prim.ListConstruct  : () -> !torch.list<int>
    %false = torch.constant.bool false
    %none = torch.constant.none
    %1 = torch.aten.sum.dim_IntList %arg1, %0, %false, %none : !torch.vtensor<[3,2],f32>, !torch.list<int>, !torch.bool, !torch.none -> !torch.vtensor<[],f32>
    %int100 = torch.constant.int 100
    %2 = torch.aten.lt.Scalar %1, %int100 : !torch.vtensor<[],f32>, !torch.int -> !torch.vtensor<[],i1>
    return %2 : !torch.vtensor<[],i1>
  }
  func.func private @while_loop_body_graph_0(%arg0: !torch.vtensor<[],si64>, %arg1: !torch.vtensor<[3,2],f32>) -> (!torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>) {
    %int1 = torch.constant.int 1
    %int1_0 = torch.constant.int 1
    %0 = torch.aten.add.Scalar %arg0, %int1, %int1_0 : !torch.vtensor<[],si64>, !torch.int, !torch.int -> !torch.vtensor<[],si64>
    %float1.500000e00 = torch.constant.float 1.500000e+00
    %1 = torch.aten.mul.Scalar %arg1, %float1.500000e00 : !torch.vtensor<[3,2],f32>, !torch.float -> !torch.vtensor<[3,2],f32>
    %int1_1 = torch.constant.int 1
    %2 = torch.aten.add.Tensor %1, %arg0, %int1_1 : !torch.vtensor<[3,2],f32>, !torch.vtensor<[],si64>, !torch.int -> !torch.vtensor<[3,2],f32>
    return %0, %2 : !torch.vtensor<[],si64>, !torch.vtensor<[3,2],f32>
  }
}
